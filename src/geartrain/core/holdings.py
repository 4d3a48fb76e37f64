# SPDX-License-Identifier: MIT
"""Bytes that peers make the server hold apart from jobs: input that waits, and replies that they do not read.

Input is a packet whose end has not arrived, or what a peer has sent beyond its share of a turn. Replies are those that
the connection has not sent, and those that wait for the store.

These bytes count into the memory limit together with the jobs. New jobs are refused first. If these bytes alone take
more than their part, the connection that holds most of them is dropped, and then the next. An unfinished packet has a
time limit.

Replies are counted at once where much is sent, and once a second for all peers that were sent something, in portions.
"""

from itertools import islice
from typing import Final

from mypy_extensions import i64

from geartrain.core.clock import TurnClock
from geartrain.core.deadlines import Deadline, Deadlines
from geartrain.core.recipient import Recipient
from geartrain.core.state import Peer
from geartrain.core.timers import Timed, Timers

__all__ = ["LARGE", "Holdings"]

LARGE: Final = 64 * 1024  # bytes sent at once after which the unsent bytes of a peer are read
_PERIOD: Final = 1.0  # seconds
_PORTION: Final = 500  # peers that are looked at in one turn
_SLOWEST: Final = 64 * 1024  # bytes of an unfinished packet that arrive in a second at least, after the time limit
_PART: Final = 4  # the part of the limit, as a divisor, that is left to these bytes when jobs take all of it
_CLASSES: Final = 64  # of sizes: a peer is in that of the number of binary digits


class _Unfinished:
    """An unfinished packet: the end of its time before its size is considered, and its number in `Reader.begun`."""

    __slots__ = ("begun", "deadline", "due")

    def __init__(self, due: float, begun: int, deadline: Deadline[Peer]) -> None:
        self.due = due
        self.begun = begun
        self.deadline = deadline


class Holdings(Timed):
    """The bytes that peers make the server hold.

    Args:
        clock: The time.
        timers: Calls this part while there is something to check.
        peers: All peers.
        packet_time: Seconds in which an unfinished packet must be completed; 0 for no limit.

    Attributes:
        total: Number of bytes.
    """

    __slots__ = (
        "_by_size",
        "_clock",
        "_deadlines",
        "_next_reading",
        "_overdue",
        "_packet_time",
        "_peers",
        "_timers",
        "_unfinished",
        "_unread",
        "_watched",
        "total",
    )

    def __init__(self, clock: TurnClock, timers: Timers, peers: dict[Peer, None], packet_time: float) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._peers = peers
        self._packet_time = packet_time
        self._deadlines: Deadlines[Peer] = Deadlines()  # of unfinished packets
        self._unfinished: dict[Peer, _Unfinished] = {}
        self._overdue: dict[Peer, None] = {}
        self._by_size: list[dict[Peer, None]] = [{} for _ in range(_CLASSES)]
        self._watched: dict[Peer, None] = {}  # peers that were sent something, and whose replies are counted next time
        self._unread: list[Peer] = []  # the rest of those that are counted now
        self._next_reading = 0.0
        self.total: i64 = 0
        timers.add(self)

    def change(self, packet_time: float) -> None:
        """Change the time limit of packets that begin from now on."""
        self._packet_time = packet_time

    def count_input(self, peer: Peer) -> None:
        """Count the input of a peer that waits in its reader, whose size has changed."""
        reader = peer.reader
        self._count(peer, reader.kept(), peer.unsent)
        known = self._unfinished.get(peer)
        if not (reader.partial and reader.needed):
            if known is not None:
                self._forget_packet(peer)
            return
        begun = int(reader.begun)
        if known is not None:
            if known.begun == begun:
                return
            self._forget_packet(peer)
        if self._packet_time:
            self._expect(peer, self._clock.now + self._packet_time, begun)

    def count_output(self, peer: Peer) -> None:
        """Count the replies that wait to be sent to a peer."""
        outlet = peer.outlet
        if outlet is not None and peer in self._peers:
            self._count(peer, peer.partial, outlet.unsent() + peer.outbox.held_size())
        if peer.unsent and not peer.is_watched:
            self.watch(peer)

    def watch(self, peer: Recipient) -> None:
        """Have the replies to a peer counted within a second, as it was sent something."""
        assert isinstance(peer, Peer), "replies are sent to peers"
        if peer in self._peers:
            peer.is_watched = True
            self._watched[peer] = None
            self._expect_reading()

    def discard(self, peer: Peer) -> None:
        """Forget a peer that has left."""
        self._count(peer, 0, 0)
        self._watched.pop(peer, None)
        if peer in self._unfinished:
            self._forget_packet(peer)
        self._overdue.pop(peer, None)

    def take_overdue(self) -> Peer | None:
        """Return and forget a peer whose packet is overdue, or None."""
        return self._overdue.popitem()[0] if self._overdue else None

    def largest(self, limit: i64, jobs: i64) -> Peer | None:
        """Return a peer that holds much, if together they hold more than their part of the limit.

        None holds more than twice as much. Of a few it is the one that holds most.
        """
        part: i64 = max(limit - jobs, limit // _PART)
        if self.total <= part:
            return None
        for peers in reversed(self._by_size):
            if peers:
                return max(islice(peers, _PORTION), key=_held)
        return None

    def run(self, now: float) -> None:
        """Find packets that are overdue, and count the replies of the watched peers, both in portions."""
        for _ in range(_PORTION):
            peer = self._deadlines.pop_due(now)
            if peer is None:
                break
            self._check_packet(peer, now)
        if self._unread or now >= self._next_reading:
            self._read_unsent()
        due = self._deadlines.next_due()
        if self._unread or (due is not None and due <= now):
            self._timers.arm(self, now)
            return
        if due is not None:
            self._timers.arm(self, due)
        if self._watched:
            self._expect_reading()

    def _count(self, peer: Peer, partial: i64, unsent: i64) -> None:
        before: i64 = peer.partial + peer.unsent
        after: i64 = partial + unsent
        peer.partial = partial
        peer.unsent = unsent
        self.total += after - before
        old, new = int(before).bit_length(), int(after).bit_length()
        if old != new:
            if before:
                del self._by_size[old][peer]
            if after:
                self._by_size[new][peer] = None

    def _expect(self, peer: Peer, due: float, begun: int) -> None:
        """Expect the end of an unfinished packet."""
        self._unfinished[peer] = _Unfinished(due, begun, self._deadlines.push(due, peer))
        if due < self.due:
            self._timers.arm(self, due)

    def _forget_packet(self, peer: Peer) -> None:
        self._deadlines.cancel(self._unfinished.pop(peer).deadline)

    def _check_packet(self, peer: Peer, now: float) -> None:
        """Find out whether the packet of a peer is overdue; a large one has more time, and a later one its own."""
        unfinished = self._unfinished[peer]
        begun = int(peer.reader.begun)
        due = unfinished.due + int(peer.reader.partial) / _SLOWEST
        if begun != unfinished.begun:
            self._expect(peer, now + self._packet_time, begun)
        elif now < due:
            unfinished.deadline = self._deadlines.push(due, peer)
        else:
            del self._unfinished[peer]
            self._overdue[peer] = None

    def _expect_reading(self) -> None:
        now = self._clock.now
        if self._next_reading <= now:
            self._next_reading = now + _PERIOD
        if self._next_reading < self.due:
            self._timers.arm(self, self._next_reading)

    def _read_unsent(self) -> None:
        """Count the replies of some of the watched peers."""
        if not self._unread:
            self._unread = list(self._watched)
            self._watched.clear()
        for _ in range(min(_PORTION, len(self._unread))):
            peer = self._unread.pop()
            peer.is_watched = False
            self.count_output(peer)


def _held(peer: Peer) -> int:
    return peer.partial + peer.unsent
