# SPDX-License-Identifier: MIT
"""Bytes that peers make the server hold apart from jobs: unfinished packets, and replies that they do not read.

They count into the memory limit together with the jobs. New jobs are refused first. If these bytes alone take more than
their part, the connection that holds most of them is dropped, and then the next. An unfinished packet has a time limit.

Unsent bytes are read at once where much is sent, and once a second for all peers that were sent something.
"""

from typing import Final

from mypy_extensions import i64

from geartrain.core.clock import TurnClock
from geartrain.core.state import Peer
from geartrain.core.timers import NEVER, Timed, Timers

__all__ = ["LARGE", "Holdings"]

LARGE: Final = 64 * 1024  # bytes sent at once after which the unsent bytes of a peer are read
_PERIOD: Final = 1.0  # seconds
_SLOWEST: Final = 64 * 1024  # bytes of an unfinished packet that arrive in a second at least, after the time limit
_PART: Final = 4  # the part of the limit, as a divisor, that is left to these bytes when jobs take all of it


class Holdings(Timed):
    """The bytes that peers make the server hold.

    Args:
        clock: The time.
        timers: Calls this part once a second while there is something to check.
        peers: All peers.
        packet_time: Seconds in which an unfinished packet must be completed; 0 for no limit.

    Attributes:
        total: Number of bytes.
        overdue: The peers whose packets are overdue.
    """

    __slots__ = ("_clock", "_deadlines", "_packet_time", "_peers", "_timers", "_unread", "overdue", "total")

    def __init__(self, clock: TurnClock, timers: Timers, peers: dict[Peer, None], packet_time: float) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._peers = peers
        self._packet_time = packet_time
        self._deadlines: dict[Peer, tuple[float, int]] = {}  # of unfinished packets, each with `Reader.begun`
        self._unread: dict[Peer, None] = {}  # peers with unsent bytes
        self.total: i64 = 0
        self.overdue: list[Peer] = []
        timers.add(self)

    def change(self, packet_time: float) -> None:
        """Change the time limit of packets that begin from now on."""
        self._packet_time = packet_time

    def count_input(self, peer: Peer) -> None:
        """Count the unfinished packet of a peer, whose size has changed."""
        reader = peer.reader
        partial = reader.partial
        self.total += partial - peer.partial
        peer.partial = partial
        if not (partial and reader.needed):
            self._deadlines.pop(peer, None)
            return
        begun = int(reader.begun)
        deadline = self._deadlines.get(peer)
        if deadline is None or deadline[1] != begun:
            due = self._clock.now + self._packet_time if self._packet_time else NEVER
            self._deadlines[peer] = (due, begun)
            self._watch()

    def count_output(self, peer: Peer) -> None:
        """Count the bytes that wait to be sent to a peer."""
        outlet = peer.outlet
        unsent: i64 = outlet.unsent() if outlet is not None else 0
        self.total += unsent - peer.unsent
        peer.unsent = unsent
        if unsent:
            self._unread[peer] = None
            self._watch()
        else:
            self._unread.pop(peer, None)

    def discard(self, peer: Peer) -> None:
        """Forget a peer that has left."""
        self.total -= peer.partial + peer.unsent
        peer.partial = peer.unsent = 0
        self._deadlines.pop(peer, None)
        self._unread.pop(peer, None)
        if peer in self.overdue:
            self.overdue.remove(peer)

    def largest(self, limit: i64, jobs: i64) -> Peer | None:
        """Return the peer that holds most, if together they hold more than their part of the limit."""
        part: i64 = max(limit - jobs, limit // _PART)
        if self.total <= part:
            return None
        holders = [*self._unread, *self._deadlines]
        return max(holders, key=_held, default=None)

    def run(self, now: float) -> None:
        """Read the unsent bytes again, and find the packets that are overdue."""
        for peer in list(self._unread):
            self.count_output(peer)
        for peer, (due, _) in list(self._deadlines.items()):
            if now > due + int(peer.partial) / _SLOWEST:
                del self._deadlines[peer]
                self.overdue.append(peer)
        if self._unread or self._deadlines:
            self._watch()

    def _watch(self) -> None:
        if self.due == NEVER:
            self._timers.arm(self, self._clock.now + _PERIOD)


def _held(peer: Peer) -> int:
    return peer.partial + peer.unsent
