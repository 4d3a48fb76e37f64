# SPDX-License-Identifier: MIT
"""Sleeping workers: which are woken, and what happens when they do not answer (protocol 1.11, 7.4).

For each function there are jobs that wait, workers asleep, and workers that were *woken* for one of its jobs and have
not been heard of since. Waking goes on until as many workers are woken as jobs wait, or none is left asleep; that is
checked again whenever one of the three changes to the worse. Waking one worker for one job, rather than all of them,
keeps 500 idle workers from costing each job 500 wake-ups.

A worker that was woken and stays silent for the re-arm time is *unresponsive*. From then on it is unknown how many of
the others are, too (a machine may be gone with all its workers), so all of them are woken.

A worker that answers a wake-up by going back to sleep, while there is work for it, is woken again at once, as the
protocol demands, but only once: then it *rests* for the re-arm time, or the two would keep each other busy. Some client
libraries do this while another server's job keeps them occupied.

A worker may ask for *long polling*: one of its grabs that finds no job is answered when there is one. Meanwhile it
sleeps in front of the others, and a job that comes is *pushed*: it leaves together with the NOOP, which saves a way
there and back. But a worker that was woken and is not there costs nothing, while one that was pushed a job has it, even
if it was stopped, hangs or is cut off. So it has the re-arm time to be heard of, by any packet; ours sends ALL_YOURS
before it begins. If it is not, the job is taken back and all others are woken. A grab waits no longer than
`LONG_POLL_TIME`, so that workers that were there a moment ago are first, and hardly ever a job is taken back from a
worker that is only slow, and done twice. Another grab, PRE_SLEEP, or CANT_DO for the last function ends the waiting
before its time; the waiting grab is then answered by NO_JOB, as it is at its end.
"""

from collections import OrderedDict
from typing import Final

from geartrain.core.clock import TurnClock
from geartrain.core.sleepstate import SleepState
from geartrain.core.state import FunctionQueue, Job, Peer
from geartrain.core.timers import Timed, Timers

__all__ = ["LONG_POLL_TIME", "Wakeups"]

LONG_POLL_TIME: Final = 1.0  # seconds that a grab waits: workers wait longer for any answer
MAX_DECLINES: Final = 1  # how often in a row a worker may decline before it has to rest

_AWAKE: Final = int(SleepState.AWAKE)
_ASLEEP: Final = int(SleepState.ASLEEP)
_POLLING: Final = int(SleepState.POLLING)
_WOKEN: Final = int(SleepState.WOKEN)
_RESTING: Final = int(SleepState.RESTING)
_PUSHED: Final = int(SleepState.PUSHED)
_UNRESPONSIVE: Final = int(SleepState.UNRESPONSIVE)


class Wakeups:
    """The states of workers that wait, and until when an answer is expected of each.

    Args:
        clock: The time.
        timers: Where its owner is due.
        owner: The timed part that calls `expire`.
        per_job: How many workers are woken for each waiting job; 0 for all that sleep.
        rearm_after: Seconds that a woken worker has to grab.

    Attributes:
        unresponsive: The peers that did not answer, and have not been heard of since.
        sent: How many wake-ups were sent.
        unanswered: How many of them were not answered in time.
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
        # The peers that were woken, rest, or were pushed a job. All have equally long, so the order of entry is the
        # order of time; so it is with grabs that wait.
        self._until: OrderedDict[Peer, float] = OrderedDict()
        self._polls: OrderedDict[Peer, float] = OrderedDict()
        self.unresponsive: set[Peer] = set()
        self.sent = 0
        self.unanswered = 0

    def wake(self, peer: Peer, queue: FunctionQueue) -> None:
        """Wake a peer, asleep or not but without a grab that waits, for a job of that function."""
        if peer.sleep_state == _ASLEEP:
            queue.remove_sleeper(peer)
        peer.sleep_state = _WOKEN
        peer.woken_for = queue
        queue.woken += 1
        self.sent += 1
        self._expect(peer)
        peer.send_noop()

    def mark_asleep(self, peer: Peer) -> None:
        """Let a peer for which there is no job sleep until there is one."""
        peer.declines = 0
        peer.fall_asleep(_ASLEEP)

    def hold_grab(self, peer: Peer) -> None:
        """Let a peer for whose grab there is no job sleep, in front of the others, until its grab can be answered."""
        peer.fall_asleep(_POLLING)
        until = self._clock.now + LONG_POLL_TIME
        self._polls[peer] = until
        self._arm(until)

    def drop_held_grab(self, peer: Peer) -> None:
        """Forget the grab of a peer without an answer, if one waits."""
        if peer.sleep_state == _POLLING:
            del self._polls[peer]
            peer.sleep_state = _ASLEEP

    def push(self, peer: Peer, job: Job) -> None:
        """Record that a job was pushed to the peer; it must be heard of before the deadline."""
        peer.sleep_state = _PUSHED
        peer.pushed_job = job
        self._expect(peer)

    def decline(self, peer: Peer, queue: FunctionQueue) -> None:
        """Answer a peer that was woken and went back to sleep, though there is a job of that function for it."""
        peer.declines += 1
        if peer.declines > MAX_DECLINES:
            peer.sleep_state = _RESTING
            self._expect(peer)
        else:
            self.wake(peer, queue)

    def mark_awake(self, peer: Peer) -> FunctionQueue | None:
        """Record that a peer was heard of, or has left; return the queue for whose job it was woken."""
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
        """Answer the grabs that have waited for their time, and give up on peers that were not heard of in time.

        Returns:
            The peers whose deadline is over, each with the job that was pushed to it, or the queue for whose job it
            was woken, or neither if it has rested.
        """
        while self._polls:
            peer, until = next(iter(self._polls.items()))
            if until > now:
                break
            self.mark_awake(peer)
            peer.leave_lists()  # it is one of many that sleep now
        over: list[tuple[Peer, Job | None, FunctionQueue | None]] = []
        while self._until:
            peer, until = next(iter(self._until.items()))
            if until > now:
                break
            job = peer.pushed_job
            queue = self.mark_awake(peer)
            if job is not None or queue is not None:
                self.unanswered += 1
                peer.sleep_state = _UNRESPONSIVE
                self.unresponsive.add(peer)
            over.append((peer, job, queue))
        return over

    def arm_next(self) -> None:
        """Have the owner called when the next deadline is over."""
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
