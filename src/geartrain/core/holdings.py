# SPDX-License-Identifier: MIT
"""Bytes that peers make the server hold apart from jobs: input that waits, replies, registrations and submissions.

Input is a packet whose end has not arrived, or what a peer has sent beyond its share of a turn. Replies are those that
the connection has not sent, and those that wait for the store. Registrations are of functions, and submissions those
that wait for a job; each counts as what it takes at most.

These bytes count into the memory limit together with the jobs. New jobs are refused first. If these bytes alone take
more than their part, the connection that holds most of them is dropped, and then the next. An unfinished packet has a
time limit.

Input is counted at once, and so are replies where much is sent. Everything is counted once a second for all peers that
were sent something, in portions.
"""

from itertools import islice
from typing import Final

from mypy_extensions import i64

from geartrain.core.clock import TurnClock
from geartrain.core.deadlines import Deadline, Deadlines
from geartrain.core.limits import least_part
from geartrain.core.recipient import Recipient
from geartrain.core.state import Peer
from geartrain.core.timers import Timed, Timers

__all__ = ["LARGE", "Holdings"]

LARGE: Final = 64 * 1024  # bytes sent at once after which the unsent bytes of a peer are read
_PERIOD: Final = 1.0  # seconds
_PORTION: Final = 500  # peers that are looked at in one turn
_SLOWEST: Final = 64 * 1024  # bytes of an unfinished packet that arrive in a second at least, after the time limit
_REGISTRATION: Final = 800  # bytes that a function of a worker takes; 620 were measured
_WAIT: Final = 200  # bytes that a submission takes beside its job; 150 were measured
_TAKEN_AWAY: Final = 150  # bytes that a job takes that was taken from a worker
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
        max_memory: The maximum number of bytes for all jobs and all that is held; 0 for no limit.

    Attributes:
        total: Number of bytes.
        next_reading: The time from which on the watched peers are counted again.
    """

    __slots__ = (
        "_by_size",
        "_clock",
        "_deadlines",
        "_has_unsent",
        "_max_memory",
        "_most",
        "_overdue",
        "_packet_time",
        "_peers",
        "_timers",
        "_unfinished",
        "_unread",
        "_watched",
        "next_reading",
        "total",
    )

    def __init__(
        self, clock: TurnClock, timers: Timers, peers: dict[Peer, None], packet_time: float, max_memory: int
    ) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._peers = peers
        self._packet_time = packet_time
        self._max_memory: i64 = 0
        self._most: i64 = 0  # bytes that may be held in any case, if jobs take all the rest
        self.change(packet_time, max_memory)
        self._deadlines: Deadlines[Peer] = Deadlines()  # of unfinished packets
        self._unfinished: dict[Peer, _Unfinished] = {}
        self._overdue: dict[Peer, None] = {}
        self._by_size: list[dict[Peer, None]] = [{} for _ in range(_CLASSES)]
        self._watched: dict[Peer, None] = {}  # peers that were sent something, and whose replies are counted next time
        self._unread: list[Peer] = []  # the rest of those that are counted now
        self._has_unsent = False  # replies wait that a connection has not sent
        self.next_reading = 0.0
        self.total: i64 = 0
        timers.add(self)

    def change(self, packet_time: float, max_memory: int) -> None:
        """Change the time limit of packets that begin from now on, and the memory limit."""
        self._packet_time = packet_time
        self._max_memory = max_memory
        self._most = least_part(max_memory)

    @property
    def may_be_too_much(self) -> bool:
        """True if a packet may be overdue, or more may be held than is allowed."""
        return self.total > self._most or len(self._overdue) > 0

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
        """Count all that is held for a peer, except for its input."""
        if peer in self._peers:
            outlet = peer.outlet
            unsent: i64 = outlet.unsent() if outlet is not None else 0
            held: i64 = peer.outbox.held_size()
            self._count(peer, peer.partial, unsent + held + _held_apart_from_bytes(peer))
            if unsent and not self._has_unsent:
                self._has_unsent = True
                self._expect_reading(self._clock.now)
            if unsent + held and not peer.is_watched:
                self.watch(peer)

    def watch(self, peer: Recipient) -> None:
        """Have a peer counted in the first turn of the next second, as it was sent something or has registered."""
        assert isinstance(peer, Peer), "replies are sent to peers"
        if peer in self._peers:
            peer.is_watched = True
            self._watched[peer] = None

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

    def room(self, jobs: i64) -> int:
        """Return the number of bytes that may be held in addition."""
        return int(max(self._most, self._max_memory - jobs) - self.total)

    def largest(self, jobs: i64) -> Peer | None:
        """Return a peer that holds much, if together they hold more than their part of the limit.

        None holds more than twice as much. Of a few it is the one that holds most.
        """
        if self.total <= self._most or self.total <= self._max_memory - jobs:
            return None
        largest = next(filter(None, reversed(self._by_size)))
        return max(islice(largest, _PORTION), key=_held)

    def larger(self, size: i64, recipient: Recipient) -> Peer | None:
        """Return a peer that holds more than some bytes, and is not their recipient; None if there is none."""
        largest = next(filter(None, reversed(self._by_size)), None)
        if largest is None:
            return None
        peer = max(islice(largest, _PORTION), key=_held)
        return peer if peer is not recipient and _held(peer) > size else None

    def run(self, now: float) -> None:
        """Find packets that are overdue, in portions. The caller has called `read` if that was due."""
        for _ in range(_PORTION):
            peer = self._deadlines.pop_due(now)
            if peer is None:
                break
            self._check_packet(peer, now)
        due = self._deadlines.next_due()
        if due is not None:
            self._timers.arm(self, max(due, now))
        if self._has_unsent:
            self._expect_reading(now)

    def read(self, now: float) -> None:
        """Count some of the watched peers."""
        if not self._unread:
            self._has_unsent = False
            self._unread = list(self._watched)
            self._watched.clear()
        for _ in range(min(_PORTION, len(self._unread))):
            peer = self._unread.pop()
            peer.is_watched = False
            self.count_output(peer)
        if not self._unread:
            self.next_reading = now + _PERIOD

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
        """Check if the packet of a peer is overdue. A large one has more time; each has its own limit."""
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

    def _expect_reading(self, now: float) -> None:
        """Count again also if nothing else happens, as replies may have been sent meanwhile."""
        due = max(self.next_reading, now)
        if due < self.due:
            self._timers.arm(self, due)


def _held_apart_from_bytes(peer: Peer) -> i64:
    """Return the bytes that the registrations and submissions of a peer take."""
    denied = peer.identity.denied
    registrations: i64 = len(peer.abilities) + len(denied)
    names: i64 = sum([len(name) for name in denied]) if denied else 0
    waits: i64 = len(peer.awaited)
    taken: i64 = len(peer.taken_away)
    return registrations * _REGISTRATION + names + waits * _WAIT + taken * _TAKEN_AWAY


def _held(peer: Peer) -> int:
    return peer.partial + peer.unsent
