# SPDX-License-Identifier: MIT
"""Authorization: the packets and text commands that a peer may use.

Rules can be replaced at any time, and no connection is dropped for it: the new ones apply to all peers. A worker that
loses the right to a function is unregistered from it; its running jobs go on. It is registered again when later rules,
or a token that it shows later, allow it, as workers register only once.
"""

import logging

from geartrain.core.access import ADMIN, WORK, Identity, digest_of
from geartrain.core.clock import TurnClock
from geartrain.core.dispatch import Dispatcher
from geartrain.core.limits import Refused
from geartrain.core.options import JobServerOptions, Who
from geartrain.core.state import Peer
from geartrain.core.timers import Timed, Timers
from geartrain.errors import GeartrainError
from geartrain.protocol.limits import MAX_FUNCTION_NAME
from geartrain.protocol.text import printable
from geartrain.wording import counted

__all__ = ["Authorizer", "NotAllowed", "for_display"]

log = logging.getLogger("geartrain.jobs")

# Functions that are kept for a worker that has no right to them, to register it when it gets the right.
_MAX_DENIED = 256

_PORTION = 2000  # peers and functions that are compared with new rules in one turn
_JUDGEMENT = 16  # units that the rules cost, apart from the peer's functions

_SHOWN = 100  # bytes of a function's name in an error


class NotAllowed(GeartrainError):
    """A peer asked for something to which it has no right.

    Attributes:
        code: The code for the ERROR packet; its text is that of the exception.
    """

    def __init__(self, text: str, code: str = "NOT_ALLOWED") -> None:
        super().__init__(text)
        self.code = code


class Authorizer(Timed):
    """Applies the rules of access to peers.

    Args:
        clock: The time.
        timers: Calls this part while new rules are being applied to workers.
        dispatcher: Unregisters workers from functions, and registers them again.
        peers: All peers.
        options: The rules to begin with.

    Attributes:
        rules: The rules in force; None allows everything.
    """

    __slots__ = (
        "_changes",
        "_clock",
        "_dispatcher",
        "_losers",
        "_lost",
        "_max_wrong_tokens",
        "_peers",
        "_reads",
        "_timers",
        "_unchecked",
        "rules",
    )

    def __init__(
        self,
        clock: TurnClock,
        timers: Timers,
        dispatcher: Dispatcher,
        peers: dict[Peer, None],
        options: JobServerOptions,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._unchecked: list[Peer] = []  # peers whose functions were not compared with new rules yet
        self._lost = 0
        self._losers = 0
        timers.add(self)
        self._dispatcher = dispatcher
        self._peers = peers
        self.rules = options.access
        self._reads = options.text_reads
        self._changes = options.text_changes
        self._max_wrong_tokens = options.max_wrong_tokens

    def change(self, options: JobServerOptions) -> None:
        """Apply the rules of these options to all peers from now on."""
        self._reads = options.text_reads
        self._changes = options.text_changes
        self._max_wrong_tokens = options.max_wrong_tokens
        self.rules = options.access
        for peer in self._peers:
            self.authorize(peer)
        self._unchecked = list(self._peers)
        self._unchecked.reverse()
        self.run(self._clock.now)

    def run(self, now: float) -> None:
        """Register and unregister the functions of some peers by new rules; their rights have changed already."""
        work = 0
        while self._unchecked and work < _PORTION:
            peer = self._unchecked.pop()
            if peer in self._peers:
                work += 1 + len(peer.abilities)
                lost = self._apply(peer)
                self._lost += lost
                self._losers += lost > 0
        if self._unchecked:
            self._timers.arm(self, now)
        elif self._losers:
            log.warning("The rules deny %s to %s", counted(self._lost, "function"), counted(self._losers, "worker"))
            self._lost = self._losers = 0

    def authorize(self, peer: Peer) -> None:
        """Apply the rules to a new peer."""
        if self.rules is not None:
            peer.identity.apply_rules(self.rules)

    def may(self, peer: Peer, right: int, function: bytes) -> bool:
        """Tell whether a peer has a right, or one of several, for a function."""
        return self.rules is None or bool(peer.identity.rights(function) & right)

    def take_token(self, peer: Peer, token: bytes) -> None:
        """Record the token that a peer has shown, and apply the rules to it again.

        Any token is accepted while no rule has one, as later rules may have it.

        Raises:
            NotAllowed: No rule has that token. After a few wrong ones the connection is closed as well.
        """
        rules = self.rules
        identity = peer.identity
        digest = digest_of(token)
        if rules is not None and rules.tokens and not rules.knows(digest):
            identity.wrong_tokens += 1
            peer.closing = identity.wrong_tokens >= self._max_wrong_tokens
            raise NotAllowed("The server does not know this token", "WRONG_TOKEN")
        if digest != identity.token:
            identity.token = digest
            if rules is not None or identity.denied:
                self._apply(peer)

    # Workers.

    def deny(self, peer: Peer, function: bytes, timeout: float) -> None:
        """Record that a worker asked for a function to which it has no right."""
        denied = peer.identity.denied
        if len(function) <= MAX_FUNCTION_NAME and (len(denied) < _MAX_DENIED or function in denied):
            denied[function] = timeout

    def _apply(self, peer: Peer) -> int:
        """Apply the rules to a peer; return the number of functions that it has lost."""
        peer.debt += _JUDGEMENT + len(peer.abilities) + len(peer.identity.denied)
        if self.rules is not None:
            peer.identity.apply_rules(self.rules)
        self._give_back(peer, peer.identity)
        lost = [name for name in peer.abilities if not self.may(peer, WORK, name)]
        for name in lost:
            peer.identity.denied[name] = peer.abilities[name].timeout
            self._dispatcher.disable(peer, name)
        return len(lost)

    def _give_back(self, peer: Peer, identity: Identity) -> None:
        for name in [name for name in identity.denied if self.may(peer, WORK, name)]:
            try:
                self._dispatcher.enable(peer, name, identity.denied[name])
            except Refused as refusal:
                log.warning("%s still may not work on %s: %s", peer, for_display(name), refusal)
            else:
                del identity.denied[name]

    # Text commands.

    def check_read(self, peer: Peer, command: str) -> None:
        """Check whether a peer may use a command that only reads.

        Raises:
            NotAllowed: The peer may not.
        """
        self._check(peer, self._reads, command)

    def check_change(self, peer: Peer, command: str) -> None:
        """Check whether a peer may use a command that changes something, for any function.

        Raises:
            NotAllowed: The peer may not.
        """
        self._check(peer, self._changes, command)

    def check_function(self, peer: Peer, command: str, function: bytes | None) -> None:
        """Check whether a peer may use a command that changes a function, or the whole server for None.

        Raises:
            NotAllowed: The peer may not.
        """
        if self.rules is None or self._changes is not Who.ADMIN:
            return
        if function is None:
            if not peer.identity.may_everywhere(ADMIN):
                raise NotAllowed(f"{command} is for administrators of all functions")
        elif not peer.identity.rights(function) & ADMIN:
            raise NotAllowed(f"{command} of {for_display(function)} is for its administrators")

    def _check(self, peer: Peer, who: Who, command: str) -> None:
        if who is Who.LOCAL and not peer.is_local:
            raise NotAllowed(f"{command} is for local connections")
        if who is Who.ADMIN and self.rules is not None and not peer.identity.may_somewhere(ADMIN):
            raise NotAllowed(f"{command} is for administrators")


def for_display(function: bytes) -> str:
    """Return the name of a function, printable and cut to a length that fits an error."""
    return printable(function[:_SHOWN]).decode(errors="replace")
