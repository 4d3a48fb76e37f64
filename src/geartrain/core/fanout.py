# SPDX-License-Identifier: MIT
"""Packets about a job to many waiting clients, in portions.

A packet for few submissions is sent at once. One for more waits in a queue of its job, from which a portion is sent in
each turn, one job after the other; later packets about the job go behind it. The waiting clients of a job that has
ended lose it from `Peer.awaited` as they get its result.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Final

from mypy_extensions import i32, i64

from geartrain.core.clock import TurnClock
from geartrain.core.state import Job, Peer
from geartrain.core.timers import Timed, Timers
from geartrain.core.turns import BYTES_PER_UNIT, Turns
from geartrain.core.waiters import all_waiters, count_waiters, detach_waiters
from geartrain.protocol.commands import Command

__all__ = ["AT_ONCE", "FanOut"]

AT_ONCE: Final = 128  # units, see `Turns`, up to which a packet is sent to all at once
_PAIR: Final = 72  # bytes that a waiting client takes in a list
_WORK_EXCEPTION: Final = int(Command.WORK_EXCEPTION)
_WORK_FAIL: Final = int(Command.WORK_FAIL)


class _Packet:
    """A packet, and the clients that have not got it.

    Attributes:
        size: The bytes that it takes, as the memory limit counts them.
    """

    __slots__ = ("_body", "_command", "_cost", "_is_last", "_job", "_peer", "_plain", "_times", "_waiters", "size")

    def __init__(
        self, job: Job, waiters: list[tuple[Peer, int]], command: i32, body: bytes, cost: i64, is_last: bool
    ) -> None:
        self._job = job
        self._waiters: Iterator[tuple[Peer, int]] = iter(waiters)
        self._command = command
        self._body = body
        self._plain = _plain(job, command, body)
        self._is_last = is_last
        self._cost = cost
        self._peer: Peer | None = None  # the client that is served
        self._times: i64 = 0  # that it has not got the packet yet
        self.size: i64 = len(body) + len(waiters) * _PAIR
        if command == _WORK_EXCEPTION:
            self.size += len(self._plain)

    def send(self, units: i64, peers: dict[Peer, None]) -> i64:
        """Send to some clients, and return the units that are left; these are positive only if all have got it."""
        while units > 0:
            peer = self._peer
            if peer is None:
                following = next(self._waiters, None)
                if following is None:
                    return units
                peer, self._times = following
                self._peer = peer
                units -= 1
            if peer in peers:
                times: i64 = units // self._cost + 1
                times = times if times < self._times else self._times  # noqa: FURB136  # `min` boxes both
                _send(peer, self._job, self._command, self._body, self._plain, times)
                self._times -= times
                units -= times * self._cost
            else:
                self._times = 0
            if not self._times:
                self._peer = None
                if self._is_last:
                    peer.awaited.discard(self._job)
        return units


class FanOut(Timed):
    """Sends packets about jobs that several submissions wait for.

    Args:
        clock: The time.
        timers: Calls this part while packets wait.
        turns: The budget of a turn, which this part has once more.
        peers: All peers.

    Attributes:
        held: Bytes of the packets that wait, and of the lists of their clients.
    """

    __slots__ = ("_clock", "_peers", "_queues", "_timers", "_turns", "held")

    def __init__(self, clock: TurnClock, timers: Timers, turns: Turns, peers: dict[Peer, None]) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._turns = turns
        self._peers = peers
        self._queues: OrderedDict[Job, deque[_Packet]] = OrderedDict()
        self.held: i64 = 0
        timers.add(self)

    @property
    def is_busy(self) -> bool:
        """True if packets wait."""
        return len(self._queues) > 0

    def send(self, job: Job, command: i32, body: bytes, *, is_last: bool) -> i64:
        """Send a packet to all submissions that wait for a job, and return its cost in units of a turn.

        Args:
            job: The job.
            command: The type of the packet.
            body: Its arguments, joined; an exception has details.
            is_last: The job has ended, so that no client waits for it afterwards.
        """
        cost: i64 = 1 + (len(body) >> BYTES_PER_UNIT)
        units: i64 = count_waiters(job) * cost
        waiters = all_waiters(job)
        if is_last:
            detach_waiters(job)
        queue = self._queues.get(job)
        if queue is None and units <= AT_ONCE:
            plain = _plain(job, command, body)
            for peer, times in waiters:
                _send(peer, job, command, body, plain, times)
                if is_last:
                    peer.awaited.discard(job)
            return units
        if queue is None:
            queue = self._queues[job] = deque()
            self._timers.arm(self, self._clock.now)
        packet = _Packet(job, waiters, command, body, cost, is_last)
        self.held += packet.size
        queue.append(packet)
        return units

    def run(self, now: float) -> None:
        """Send a portion."""
        units: i64 = self._turns.size
        queues = self._queues
        while queues and units > 0:
            job, queue = queues.popitem(last=False)
            packet = queue[0]
            units = packet.send(units, self._peers)
            if units > 0:
                self.held -= packet.size
                queue.popleft()
            if queue:
                queues[job] = queue
        if queues:
            self._timers.arm(self, now)

    def send_all(self) -> None:
        """Send everything at once, as the server stops."""
        while self._queues:
            self.run(self._clock.now)


def _plain(job: Job, command: i32, body: bytes) -> bytes:
    """Return the body for clients that know no details of exceptions."""
    if command != _WORK_EXCEPTION:
        return body
    return job.handle + b"\0" + body[len(job.handle) + 1 :].partition(b"\0")[2]


def _send(peer: Peer, job: Job, command: i32, body: bytes, plain: bytes, times: i64) -> None:
    if command == _WORK_EXCEPTION and not peer.exceptions:
        peer.send_times(_WORK_FAIL, job.handle, times)
    else:
        peer.send_times(command, body if peer.exception_details else plain, times)
