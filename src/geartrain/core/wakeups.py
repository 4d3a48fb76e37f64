# SPDX-License-Identifier: MIT
"""Wake-ups of sleeping workers, and their deadlines (protocol 1.11, 7.4).

For each function there are waiting jobs, sleeping workers, and workers that were *woken* for one of its jobs and have
sent nothing since. Workers are woken until there is one for each waiting job, or none is left asleep; this is checked
again after any change that may call for another wake-up. Waking one worker for one job, rather than all of them, keeps
500 idle workers from costing each job 500 wake-ups.

A worker that was woken and sends nothing for the re-arm time is *unresponsive*. Others may be as well (a machine may be
down with all its workers), so all of them are woken.

A worker that answers a wake-up by going back to sleep, while there is a job for it, is woken again at once, as the
protocol demands, but only once: then it *rests* for the re-arm time, or the two would keep each other busy. Some client
libraries do this while a job of another server occupies them.

A worker may ask for *long polling*: a grab that finds no job is held, and answered when there is one. Until then the
worker sleeps in front of the others, and a new job is *pushed*: it is sent together with the NOOP, which saves a round
trip. But a job that was pushed is lost time if the worker was stopped, hangs or is cut off, where a wake-up would cost
nothing. So the worker has the re-arm time to send any packet; ours sends ALL_YOURS before it starts. If it does not,
the job is requeued and all others are woken. A grab is held no longer than `LONG_POLL_TIME`, so that workers that
responded a moment ago come first, and a job is hardly ever requeued, and run twice, because a worker is only slow.
Another grab, PRE_SLEEP, or CANT_DO for the last function ends the hold early; the held grab is then answered by NO_JOB,
as it is after `LONG_POLL_TIME`.
"""

from collections import OrderedDict
from typing import Final

from mypy_extensions import i64

from geartrain.core.abilities import fall_asleep, leave_lists, remove_sleeper
from geartrain.core.clock import TurnClock
from geartrain.core.sleepstate import SleepState
from geartrain.core.state import FunctionQueue, Job, Peer
from geartrain.core.timers import Timed, Timers

__all__ = ["LONG_POLL_TIME", "Wakeups"]

LONG_POLL_TIME: Final = 1.0  # seconds that a grab is held: workers wait longer for any answer
_PORTION: Final = 2000  # peers, and functions of peers, that are handled in one turn
MAX_DECLINES: Final = 1  # declines in a row before a worker has to rest

_AWAKE: Final = int(SleepState.AWAKE)
_ASLEEP: Final = int(SleepState.ASLEEP)
_POLLING: Final = int(SleepState.POLLING)
_WOKEN: Final = int(SleepState.WOKEN)
_RESTING: Final = int(SleepState.RESTING)
_PUSHED: Final = int(SleepState.PUSHED)
_UNRESPONSIVE: Final = int(SleepState.UNRESPONSIVE)


class Wakeups:
    """The sleep states of workers, and the deadlines of those that must answer.

    Args:
        clock: The time.
        timers: Calls the owner when a deadline is over.
        owner: The timed part that calls `expire`.
        per_job: Number of workers that are woken for each waiting job; 0 for all that sleep.
        rearm_after: Seconds that a woken worker has to grab.

    Attributes:
        unresponsive: The peers that missed their deadline, and have sent nothing since.
        sent: Number of wake-ups that were sent.
        unanswered: Number of wake-ups that were not answered in time.
    """

    __slots__ = (
        "_clock",
        "_owner",
        "_polls",
        "_rearm_after",
        "_timers",
        "_until",
        "per_job",
        "sent",
        "unanswered",
        "unresponsive",
    )

    def __init__(self, clock: TurnClock, timers: Timers, owner: Timed, per_job: int, rearm_after: float) -> None:
        self._clock = clock
        self._timers = timers
        self._owner = owner
        self.per_job = per_job
        self._rearm_after = rearm_after
        # The peers that were woken, rest, or were pushed a job. All have the same time, so the order of insertion is
        # the order of the deadlines; the same holds for held grabs.
        self._until: OrderedDict[Peer, float] = OrderedDict()
        self._polls: OrderedDict[Peer, float] = OrderedDict()
        self.unresponsive: set[Peer] = set()
        self.sent = 0
        self.unanswered = 0

    def wake(self, peer: Peer, queue: FunctionQueue) -> None:
        """Wake a peer without a held grab, asleep or not, for a job of that function."""
        if peer.sleep_state == _ASLEEP:
            remove_sleeper(queue, peer)
        peer.sleep_state = _WOKEN
        peer.woken_for = queue
        queue.woken += 1
        self.sent += 1
        self._expect(peer)
        peer.send_noop()

    def mark_asleep(self, peer: Peer) -> None:
        """Put a peer to sleep until there is a job for it."""
        peer.declines = 0
        fall_asleep(peer, _ASLEEP)

    def hold_grab(self, peer: Peer) -> None:
        """Hold a grab for which there is no job; the peer sleeps in front of the others."""
        fall_asleep(peer, _POLLING)
        until = self._clock.now + LONG_POLL_TIME
        self._polls[peer] = until
        self._arm(until)

    def drop_held_grab(self, peer: Peer) -> None:
        """Drop the held grab of a peer, if it has one, without an answer."""
        if peer.sleep_state == _POLLING:
            del self._polls[peer]
            peer.sleep_state = _ASLEEP

    def push(self, peer: Peer, job: Job) -> None:
        """Record that a job was pushed to the peer, which must send something before the deadline."""
        peer.sleep_state = _PUSHED
        peer.pushed_job = job
        self._expect(peer)

    def decline(self, peer: Peer, queue: FunctionQueue) -> None:
        """Wake or rest a peer that went back to sleep although there is a job of that function."""
        peer.declines += 1
        if peer.declines > MAX_DECLINES:
            peer.sleep_state = _RESTING
            self._expect(peer)
        else:
            self.wake(peer, queue)

    def mark_awake(self, peer: Peer) -> FunctionQueue | None:
        """Record that a peer has sent something, or has left; return the queue for which it was woken."""
        state = peer.sleep_state
        if state == _AWAKE:
            return None
        peer.sleep_state = _AWAKE
        if state == _ASLEEP:
            return None
        if state == _POLLING:
            del self._polls[peer]
            peer.send_no_job()
            return None
        if state == _UNRESPONSIVE:
            self.unresponsive.discard(peer)
            return None
        del self._until[peer]
        peer.pushed_job = None
        queue = peer.woken_for
        if queue is not None:
            peer.woken_for = None
            queue.woken -= 1
        return queue

    def expire(self, now: float) -> list[tuple[Peer, Job | None, FunctionQueue | None]]:
        """Answer the grabs that were held for their time, and give up on peers that missed their deadline, in portions.

        Returns:
            The peers whose deadline is over, each with the job that was pushed to it, or the queue for which it was
            woken, or neither if it has rested.
        """
        left: i64 = _PORTION
        while self._polls and left > 0:
            peer, until = next(iter(self._polls.items()))
            if until > now:
                break
            left -= 1 + len(peer.abilities)
            self.mark_awake(peer)
            leave_lists(peer)  # it sleeps behind the others now
        over: list[tuple[Peer, Job | None, FunctionQueue | None]] = []
        while self._until and left > 0:
            peer, until = next(iter(self._until.items()))
            if until > now:
                break
            left -= 1
            job = peer.pushed_job
            queue = self.mark_awake(peer)
            if job is not None or queue is not None:
                self.unanswered += 1
                peer.sleep_state = _UNRESPONSIVE
                self.unresponsive.add(peer)
            over.append((peer, job, queue))
        return over

    def arm_next(self) -> None:
        """Set the owner's timer to the next deadline."""
        if self._until:
            self._arm(next(iter(self._until.values())))
        if self._polls:
            self._arm(next(iter(self._polls.values())))

    def _expect(self, peer: Peer) -> None:
        until = self._clock.now + self._rearm_after
        self._until[peer] = until
        self._arm(until)

    def _arm(self, due: float) -> None:
        if due < self._owner.due:
            self._timers.arm(self._owner, due)
