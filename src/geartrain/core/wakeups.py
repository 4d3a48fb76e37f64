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
"""

from collections import OrderedDict
from typing import Final

from geartrain.core.clock import Clock
from geartrain.core.state import FunctionQueue, Peer

__all__ = ["Wakeups"]

_PATIENCE: Final = 1  # how often in a row a worker may decline before it has to rest


class Wakeups:
    """Who sleeps, who is coming, and until when each is waited for.

    Args:
        per_job: How many workers are woken for each waiting job; 0 for all that sleep.
        rearm_after: Seconds that a woken worker has to grab.

    Attributes:
        silent: The peers that did not answer, and have not been heard of since.
        unanswered: How many wake-ups have not been answered in time.
    """

    __slots__ = ("_clock", "_per_job", "_rearm_after", "_until", "silent", "unanswered")

    def __init__(self, clock: Clock, per_job: int, rearm_after: float) -> None:
        self._clock = clock
        self._per_job = per_job
        self._rearm_after = rearm_after
        # The peers that are coming or resting. All wait equally long, so the order of entry is the order of time.
        self._until: OrderedDict[Peer, float] = OrderedDict()
        self.silent: set[Peer] = set()
        self.unanswered = 0

    def next_due(self) -> float | None:
        """Return the monotonic time at which `expire` has something to do."""
        return next(iter(self._until.values())) if self._until else None

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
        peer.send_noop()

    def fall_asleep(self, peer: Peer) -> None:
        """Let a peer for which there is no job sleep until there is one."""
        peer.awake = False
        peer.declined = 0
        peer.fall_asleep()

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

    def expire(self, now: float) -> None:
        """Stop counting on those who were woken too long ago, and end the rest of those who declined."""
        while self._until:
            peer, until = next(iter(self._until.items()))
            if until > now:
                break
            queue = self.rouse(peer)
            if queue is None:
                self._end_rest(peer)
            else:
                self.unanswered += 1
                peer.awake = False
                self.silent.add(peer)
                self._wake_all(queue)

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

    def _end_rest(self, peer: Peer) -> None:
        for ability in peer.abilities.values():
            if ability.queue.runnable:
                self.wake(peer, ability.queue)
                return
        self.fall_asleep(peer)

    def _wake_all(self, queue: FunctionQueue) -> None:
        while queue.runnable:
            peer = queue.next_sleeper()
            if peer is None:
                break
            self.wake(peer, queue)
