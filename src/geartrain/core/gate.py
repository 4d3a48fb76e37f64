# SPDX-License-Identifier: MIT
"""Lets peers do what the rules allow, and what text commands everybody may use.

Rules can be replaced at any time, and nobody is dropped for it: all who are connected are judged by the new ones. A
function that a worker may not work on any more is taken from it, its running jobs excepted, and given back when later
rules, or a token that comes late, allow it: its worker would never ask a second time.
"""

import logging
from collections.abc import Iterable

from geartrain.core.access import ADMIN, WORK, Standing, digest_of
from geartrain.core.limits import MAX_FUNCTION_NAME, Refused
from geartrain.core.options import JobServerOptions, Who
from geartrain.core.scheduler import Scheduler
from geartrain.core.state import Peer
from geartrain.errors import GeartrainError
from geartrain.protocol.text import printable

__all__ = ["MAX_WRONG_TOKENS", "Gate", "NotAllowed", "shown"]

log = logging.getLogger("geartrain.jobs")

MAX_WRONG_TOKENS = 3  # on one connection, which then ends

# Functions that are remembered for a worker that may not work on them.
_MAX_BARRED = 256

_SHOWN = 100  # bytes of a function's name in an error


class NotAllowed(GeartrainError):
    """A peer has no right to what it asks for.

    Attributes:
        code: The code for the ERROR packet; its text is that of the exception.
    """

    def __init__(self, text: str, code: str = "NOT_ALLOWED") -> None:
        super().__init__(text)
        self.code = code


class Gate:
    """Knows the rules, and what each peer may do by them.

    Args:
        scheduler: Whose workers lose functions, and get them back.
        peers: All peers.
        options: The rules to begin with.

    Attributes:
        rules: Those in force; None lets everybody do everything.
    """

    __slots__ = ("_changes", "_peers", "_reads", "_scheduler", "rules")

    def __init__(self, scheduler: Scheduler, peers: Iterable[Peer], options: JobServerOptions) -> None:
        self._scheduler = scheduler
        self._peers = peers
        self.rules = options.access
        self._reads = options.text_reads
        self._changes = options.text_changes

    def change(self, options: JobServerOptions) -> None:
        """Judge everybody by the rules of these options from now on."""
        self._reads = options.text_reads
        self._changes = options.text_changes
        self.rules = options.access
        lost = [count for count in [self._judge(peer) for peer in self._peers] if count]
        if lost:
            log.warning("The rules take %d functions from %d workers", sum(lost), len(lost))

    def admit(self, peer: Peer) -> None:
        """Judge a new peer."""
        if self.rules is not None:
            peer.standing.judge(self.rules)

    def may(self, peer: Peer, right: int, function: bytes) -> bool:
        """Tell whether a peer has a right, or one of several, for a function."""
        return self.rules is None or bool(peer.standing.rights(function) & right)

    def take_token(self, peer: Peer, token: bytes) -> None:
        """Let a peer be who knows a token. Rules without tokens take any: others may follow that know it.

        Raises:
            NotAllowed: Nobody is that. After a few, the peer is to be closed as well.
        """
        rules = self.rules
        standing = peer.standing
        digest = digest_of(token)
        if rules is not None and rules.tokens and not rules.knows(digest):
            standing.wrong_tokens += 1
            peer.closing = standing.wrong_tokens >= MAX_WRONG_TOKENS
            raise NotAllowed("The token is none that the server knows", "WRONG_TOKEN")
        standing.token = digest
        self._judge(peer)

    # Workers.

    def bar(self, peer: Peer, function: bytes, timeout: float) -> None:
        """Remember that a worker would work on a function if it might."""
        barred = peer.standing.barred
        if len(function) <= MAX_FUNCTION_NAME and (len(barred) < _MAX_BARRED or function in barred):
            barred[function] = timeout

    def _judge(self, peer: Peer) -> int:
        """See what a peer may do now; return how many functions a worker has lost."""
        if self.rules is not None:
            peer.standing.judge(self.rules)
        self._give_back(peer, peer.standing)
        lost = [name for name in peer.abilities if not self.may(peer, WORK, name)]
        for name in lost:
            peer.standing.barred[name] = peer.abilities[name].timeout
            self._scheduler.disable(peer, name)
        return len(lost)

    def _give_back(self, peer: Peer, standing: Standing) -> None:
        for name in [name for name in standing.barred if self.may(peer, WORK, name)]:
            try:
                self._scheduler.enable(peer, name, standing.barred[name])
            except Refused as refusal:
                log.warning("%r still may not work on %s: %s", peer, shown(name), refusal)
            else:
                del standing.barred[name]

    # Text commands.

    def check_read(self, peer: Peer, command: str) -> None:
        """See whether a peer may use a command that only tells something.

        Raises:
            NotAllowed: It may not.
        """
        self._check(peer, self._reads, command)

    def check_change(self, peer: Peer, command: str) -> None:
        """See whether a peer may use a command that changes something, for whatever function.

        Raises:
            NotAllowed: It may not.
        """
        self._check(peer, self._changes, command)

    def check_function(self, peer: Peer, command: str, function: bytes | None) -> None:
        """See whether it may do so for a function, or for the whole server.

        Raises:
            NotAllowed: It may not.
        """
        if self.rules is None or self._changes is not Who.ADMIN:
            return
        if function is None:
            if not peer.standing.may_everywhere(ADMIN):
                raise NotAllowed(f"{command} is for administrators of all functions")
        elif not peer.standing.rights(function) & ADMIN:
            raise NotAllowed(f"{command} of {shown(function)} is for its administrators")

    def _check(self, peer: Peer, who: Who, command: str) -> None:
        if who is Who.LOCAL and not peer.is_local:
            raise NotAllowed(f"{command} is for local connections")
        if who is Who.ADMIN and self.rules is not None and not peer.standing.may_somewhere(ADMIN):
            raise NotAllowed(f"{command} is for administrators")


def shown(function: bytes) -> str:
    """Return the name of a function as it can stand in an error."""
    return printable(function[:_SHOWN]).decode(errors="replace")
