# SPDX-License-Identifier: MIT
"""Which sleeping workers are woken, and what happens when they do not come (protocol 1.11, 7.4).

For each function there are jobs that wait, workers asleep, and workers *coming*: woken for one of its jobs and not
heard of since. Waking goes on until as many workers are coming as jobs wait, or nobody is left asleep; that is settled
again whenever one of the three changes to the worse. Waking one worker for one job, rather than all of them, is what
keeps 500 idle workers from costing each job 500 wake-ups.

A worker that was woken and stays silent for the re-arm time is not counted on any longer: from then on nobody knows
how many of the others are silent too (a machine may be gone with all its workers), so all of them are woken.

A worker that answers a wake-up by going back to sleep, while there is work for it, is woken again at once, as the
protocol demands, but only once: then it rests for the re-arm time, lest the two keep each other busy. Some client
libraries do this while another server's job keeps them occupied.

A worker may want its grabs to last: one that finds no job is not answered then for `LASTS_FOR`, while the worker, which
*is asking*, sleeps in front of the others. If it is woken in this time it need not come: the job is handed to it
together with the NOOP, which saves a way there and back. But a worker that was woken and is not there costs nothing,
while one that was handed a job has it, be it stopped, wedged or cut off. So it has the re-arm time to be heard of, by
any packet; ours sends ALL_YOURS before it begins. If it is not, the job is taken back and all others are woken. And a
grab lasts no longer than that: whoever was not there a moment ago is woken first, so that hardly ever a job is taken
back from a worker that is only slow, and done twice. What ends the asking before its time, another grab, PRE_SLEEP or
CANT_DO for the last function, is answered by NO_JOB, and so is its end.
"""

from collections import OrderedDict, deque
from typing import Final

from geartrain.core.clock import Clock
from geartrain.core.state import FunctionQueue, Job, Peer

__all__ = ["LASTS_FOR", "Wakeups"]

LASTS_FOR: Final = 1.0  # seconds that a grab lasts: workers wait longer for any answer
_PATIENCE: Final = 1  # how often in a row a worker may decline before it has to rest


class Wakeups:
    """Who sleeps, who is coming, and until when each is waited for.

    Args:
        per_job: How many workers are woken for each waiting job; 0 for all that sleep.
        rearm_after: Seconds that a woken worker has to grab.

    Attributes:
        called: The peers that were woken while they were asking: their grabs are to be answered now.
        silent: The peers that did not answer, and have not been heard of since.
        unanswered: How many wake-ups have not been answered in time.
    """

    __slots__ = ("_asking", "_clock", "_per_job", "_rearm_after", "_until", "called", "silent", "unanswered")

    def __init__(self, clock: Clock, per_job: int, rearm_after: float) -> None:
        self._clock = clock
        self._per_job = per_job
        self._rearm_after = rearm_after
        # The peers that are coming or resting, or were handed a job. All wait equally long, so the order of entry is
        # the order of time; so it is with those that are asking.
        self._until: OrderedDict[Peer, float] = OrderedDict()
        self._asking: OrderedDict[Peer, float] = OrderedDict()
        self.called: deque[Peer] = deque()
        self.silent: set[Peer] = set()
        self.unanswered = 0

    def next_due(self) -> float | None:
        """Return the monotonic time at which `expire` has something to do."""
        due = next(iter(self._until.values())) if self._until else None
        if self._asking:
            ends = next(iter(self._asking.values()))
            return ends if due is None else min(due, ends)
        return due

    def settle(self, queue: FunctionQueue) -> None:
        """Wake sleepers until enough are coming for the jobs that wait."""
        if queue.runnable and queue.sleepers:
            enough = queue.runnable * self._per_job
            while queue.coming < enough or not self._per_job:
                peer = queue.next_sleeper()
                if peer is None:
                    break
                self.wake(peer, queue)

    def wake(self, peer: Peer, queue: FunctionQueue) -> None:
        """Wake a peer, asleep or not, for a job of that function."""
        if peer.asleep:
            peer.asleep = False
            queue.unlist(peer)
        peer.awake = False
        peer.woken_for = queue
        queue.coming += 1
        self._until[peer] = self._clock.monotonic() + self._rearm_after
        if peer.is_asking:
            del self._asking[peer]
            self.called.append(peer)
        else:
            peer.send_noop()

    def wake_all(self, queue: FunctionQueue) -> None:
        """Wake all sleepers if jobs wait."""
        while queue.runnable:
            peer = queue.next_sleeper()
            if peer is None:
                break
            self.wake(peer, queue)

    def fall_asleep(self, peer: Peer) -> None:
        """Let a peer for which there is no job sleep until there is one."""
        peer.awake = False
        peer.declined = 0
        peer.fall_asleep()

    def keep_asking(self, peer: Peer) -> None:
        """Let a peer for whose grab there is no job sleep, in front of the others, until its grab can be answered."""
        peer.awake = False
        peer.fall_asleep(first=True)
        peer.is_asking = True
        self._asking[peer] = self._clock.monotonic() + LASTS_FOR

    def withdraw(self, peer: Peer) -> None:
        """Forget the grab of a peer, if there is one unanswered."""
        peer.is_asking = False
        self._asking.pop(peer, None)

    def hand(self, peer: Peer, job: Job) -> None:
        """Take note that a peer got a job while it slept, so that it has to be heard of."""
        peer.awake = False
        peer.handed = job
        self._until[peer] = self._clock.monotonic() + self._rearm_after

    def decline(self, peer: Peer, queue: FunctionQueue) -> None:
        """Answer a peer that was woken and goes back to sleep, though there is a job of that function for it."""
        peer.declined += 1
        if peer.declined > _PATIENCE:
            peer.awake = False
            self._until[peer] = self._clock.monotonic() + self._rearm_after
        else:
            self.wake(peer, queue)

    def rouse(self, peer: Peer) -> FunctionQueue | None:
        """Take note that a peer is awake: it spoke, or left. Return the queue for whose job it was coming."""
        if peer.awake:
            return None
        peer.awake = True
        peer.handed = None
        if peer.is_asking:
            self.withdraw(peer)
            peer.send_no_job()
        if peer.asleep:
            peer.asleep = False
            return None
        if self._until.pop(peer, None) is None:
            self.silent.discard(peer)
        queue = peer.woken_for
        if queue is not None:
            peer.woken_for = None
            queue.coming -= 1
        return queue

    def expire(self, now: float) -> list[tuple[Peer, Job]]:
        """Stop counting on those who were woken too long ago, and end the rest of those who declined.

        Grabs that have lasted for their time are answered. Returned are the peers that were handed a job and have not
        been heard of since: it is to be taken from them.
        """
        while self._asking:
            peer, until = next(iter(self._asking.items()))
            if until > now:
                break
            self.rouse(peer)
            peer.leave_lists()  # it is one of many that sleep now
        deaf: list[tuple[Peer, Job]] = []
        while self._until:
            peer, until = next(iter(self._until.items()))
            if until > now:
                break
            job = peer.handed
            queue = self.rouse(peer)
            if job is not None:
                self._fall_silent(peer)
                deaf.append((peer, job))
            elif queue is None:
                self._end_rest(peer)
            else:
                self._fall_silent(peer)
                self.wake_all(queue)
        return deaf

    def enable(self, peer: Peer, queue: FunctionQueue) -> None:
        """Take note that a peer, asleep or not, can do a further function."""
        if peer.asleep:
            self.settle(queue)

    def disable(self, peer: Peer, queue: FunctionQueue) -> None:
        """Take note that a peer cannot do a function any more."""
        if peer.woken_for is queue:
            # It was woken all the same and will grab something else, or nothing.
            self.rouse(peer)
            self.settle(queue)
        elif peer.is_asking and not peer.abilities:
            self.rouse(peer)

    def _fall_silent(self, peer: Peer) -> None:
        self.unanswered += 1
        peer.awake = False
        self.silent.add(peer)

    def _end_rest(self, peer: Peer) -> None:
        for ability in peer.abilities.values():
            if ability.queue.runnable:
                self.wake(peer, ability.queue)
                return
        self.fall_asleep(peer)
