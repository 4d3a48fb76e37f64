# SPDX-License-Identifier: MIT
"""Items in the order in which they are due: a binary heap from which any entry can be removed.

Each entry knows its place in the heap, so a cancelled one is removed at once: a million timeouts that never fire need
no clean-up that would block the server.
"""

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

from mypy_extensions import i64

__all__ = ["Deadline", "Deadlines"]

T = TypeVar("T")


class Deadline(Generic[T]):
    """An entry of `Deadlines`, used to cancel it."""

    __slots__ = ("item", "place", "sequence", "when")

    def __init__(self, when: float, sequence: i64, item: T) -> None:
        self.when = when
        self.sequence = sequence  # keeps the order of equal times
        self.item: T | None = item
        self.place: i64 = -1  # in the heap


class Deadlines(Generic[T]):
    """A heap of items, each with the time when it is due. A change takes the logarithm of their number."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[Deadline[T]] = []
        self._sequence: i64 = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, when: float, item: T) -> Deadline[T]:
        """Add an item that is due at ``when``."""
        self._sequence += 1
        deadline = Deadline(when, self._sequence, item)
        self._heap.append(deadline)
        self._rise(deadline, len(self._heap) - 1)
        return deadline

    def cancel(self, deadline: Deadline[T]) -> None:
        """Cancel an entry. Each entry is cancelled or popped, once."""
        assert deadline.item is not None, "an entry ends once"
        deadline.item = None
        last = self._heap.pop()
        if last is not deadline:
            self._rise(last, deadline.place)
            self._sink(last)

    def in_order(self) -> Iterator[tuple[float, T]]:
        """Yield the times and items in order, without those that are cancelled or popped in the meantime."""
        heap = self._heap.copy()
        following = [(heap[0].when, int(heap[0].sequence), 0)] if heap else []
        while following:
            when, _, place = heapq.heappop(following)
            for child in range(2 * place + 1, min(2 * place + 3, len(heap))):
                heapq.heappush(following, (heap[child].when, int(heap[child].sequence), child))
            item = heap[place].item
            if item is not None:
                yield when, item

    def next_due(self) -> float | None:
        """Return the earliest time, or None if there are no items."""
        return self._heap[0].when if self._heap else None

    def pop_due(self, now: float) -> T | None:
        """Remove and return the item that is due first, or None if none is due yet."""
        heap = self._heap
        if not heap or heap[0].when > now:
            return None
        item = heap[0].item
        self.cancel(heap[0])
        return item

    def _rise(self, deadline: Deadline[T], place: i64) -> None:
        """Put an entry at a place, or above it if it is due before the entries there."""
        heap = self._heap
        while place > 0:
            above: i64 = (place - 1) >> 1
            other = heap[above]
            if not _is_before(deadline, other):
                break
            heap[place] = other
            other.place = place
            place = above
        heap[place] = deadline
        deadline.place = place

    def _sink(self, deadline: Deadline[T]) -> None:
        """Move an entry down if it is due after the entries there."""
        heap = self._heap
        size: i64 = len(heap)
        place: i64 = deadline.place
        while True:
            below: i64 = 2 * place + 1
            if below >= size:
                break
            other = heap[below]
            if below + 1 < size and _is_before(heap[below + 1], other):
                below += 1
                other = heap[below]
            if not _is_before(other, deadline):
                break
            heap[place] = other
            other.place = place
            place = below
        heap[place] = deadline
        deadline.place = place


def _is_before(one: Deadline[T], other: Deadline[T]) -> bool:
    return one.when < other.when or (one.when == other.when and one.sequence < other.sequence)
