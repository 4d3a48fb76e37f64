# SPDX-License-Identifier: MIT
"""The choice of the function from which a worker gets its next job (protocol 1.10).

Most workers can do a few functions, and looking at each of them is quickest. A worker that can do many has heaps: one
for each priority, of the abilities whose functions may have such jobs, the lowest rank on top. Heaps are corrected when
they are read. An ability whose function turns out to have no such job moves from the heap to the list ``unready`` of
its function, and the next job moves all of that list back. So a grab costs the logarithm of the number of functions,
each removal was paid for by the job that added the entry, and a job for a function of ten thousand workers with one
function each touches none of them.

With `PriorityScope.FUNCTION` priorities of different functions are not compared: there is one heap, for any job.
"""

import heapq
from typing import Final

from mypy_extensions import i64

from geartrain.core.abilities import move_last
from geartrain.core.running import first_job_for
from geartrain.core.state import PRIORITIES, Ability, FunctionQueue, Peer

__all__ = ["MANY", "Ready"]

_PER_UNIT: Final = 3  # as a power of two: abilities that are looked at for one unit of cost
MANY: Final = 16  # abilities from which on a worker has heaps


class Ready:
    """Finds the function from which a worker gets its next job.

    Args:
        is_global: True if a job of a higher priority comes before the jobs of all other functions of the worker.
        rotates: True if a function that was served goes to the end of the worker's list.
    """

    __slots__ = ("_is_global", "_levels", "_rotates")

    def __init__(self, *, is_global: bool, rotates: bool) -> None:
        self._is_global = is_global
        self._rotates = rotates
        self._levels: i64 = PRIORITIES if is_global else 1

    def next_ability(self, peer: Peer) -> Ability | None:
        """Return the ability from which the next job is taken, or None if no function has a job."""
        sole = peer.sole
        if sole is not None:
            return sole if sole.queue.is_ready else None
        return self._scan(peer) if peer.heaps is None else self._look(peer.heaps)

    def next_allowed(self, peer: Peer) -> Ability | None:
        """Return the same for a worker from which jobs were taken: an ability with a job that it may have."""
        best: Ability | None = None
        best_top: i64 = 0
        peer.debt += (len(peer.abilities) + len(peer.taken_away)) >> _PER_UNIT
        for ability in peer.abilities.values():
            queue = ability.queue
            job = first_job_for(queue, peer) if queue.is_ready else None
            if job is not None:
                top: i64 = i64(job.priority) if self._is_global else 0
                if best is None or top < best_top or (top == best_top and ability.rank < best.rank):
                    best = ability
                    best_top = top
        return best

    def serve(self, peer: Peer, ability: Ability) -> None:
        """Move the served function to the end of the worker's list, if it has others."""
        if self._rotates and peer.sole is None:
            move_last(ability)

    def add_jobs(self, queue: FunctionQueue, priority: i64) -> None:
        """Put a function back into the heaps, after the first job of a priority has come."""
        if queue.unready is not None:
            level: i64 = priority if self._is_global else 0
            abilities = queue.unready[level]
            for ability in abilities:
                heaps = ability.peer.heaps
                assert heaps is not None, "only abilities of such workers are unready"
                heapq.heappush(heaps[level], (int(ability.rank), ability))
            abilities.clear()

    def enable(self, ability: Ability) -> None:
        """Consider a function that a worker has registered."""
        peer = ability.peer
        if peer.heaps is not None:
            self._enter(peer.heaps, ability)
        elif len(peer.abilities) > MANY:
            peer.heaps = [[] for _ in range(self._levels)]
            for each in peer.abilities.values():
                self._enter(peer.heaps, each)

    def disable(self, ability: Ability) -> None:
        """Consider a function of a worker no more."""
        peer = ability.peer
        if peer.heaps is not None:
            if ability.queue.unready is not None:
                for abilities in ability.queue.unready:
                    abilities.pop(ability, None)
            if not peer.abilities:
                peer.heaps = None

    def _scan(self, peer: Peer) -> Ability | None:
        best: Ability | None = None
        best_top: i64 = 0
        for ability in peer.abilities.values():
            queue = ability.queue
            if queue.is_ready:
                top: i64 = queue.top if self._is_global else 0
                if best is None or top < best_top or (top == best_top and ability.rank < best.rank):
                    best = ability
                    best_top = top
        return best

    def _look(self, heaps: list[list[tuple[int, Ability]]]) -> Ability | None:
        for level, heap in enumerate(heaps):
            while heap:
                rank, ability = heap[0]
                queue = ability.queue
                if not ability.is_enabled:
                    heapq.heappop(heap)
                elif not self._has_jobs(queue, level):
                    heapq.heappop(heap)
                    self._set_unready(ability, level)
                elif rank != ability.rank:
                    heapq.heapreplace(heap, (int(ability.rank), ability))
                else:
                    return ability
        return None

    def _enter(self, heaps: list[list[tuple[int, Ability]]], ability: Ability) -> None:
        level: i64 = 0
        while level < self._levels:
            if self._has_jobs(ability.queue, level):
                heapq.heappush(heaps[level], (int(ability.rank), ability))
            else:
                self._set_unready(ability, level)
            level += 1

    def _set_unready(self, ability: Ability, level: i64) -> None:
        queue = ability.queue
        if queue.unready is None:
            queue.unready = [{} for _ in range(self._levels)]
        queue.unready[level][ability] = None

    def _has_jobs(self, queue: FunctionQueue, level: i64) -> bool:
        return queue.is_ready and (not self._is_global or queue.lines[level].size > 0)
