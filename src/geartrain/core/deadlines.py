# SPDX-License-Identifier: MIT
"""Items in order of the time at which they are due: a heap whose entries can be cancelled."""

import heapq
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

__all__ = ["Deadline", "Deadlines"]

T = TypeVar("T")

_FEW: Final = 64  # cancelled entries that are not worth a clean-up


class Deadline(Generic[T]):
    """An entry of `Deadlines`, used to cancel it."""

    __slots__ = ("item", "when")

    def __init__(self, when: float, item: T) -> None:
        self.when = when
        self.item: T | None = item


class Deadlines(Generic[T]):
    """A heap of items, each with the time when it is due.

    A cancelled entry stays in the heap without its item until its time comes, or until such entries outnumber the rest:
    then all of them are removed together, so that a million timeouts that never fire stay cheap.
    """

    __slots__ = ("_cancelled", "_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline[T]]] = []
        self._sequence = 0  # keeps the order of equal times, and the heap from comparing items
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def push(self, when: float, item: T) -> Deadline[T]:
        """Add an item that is due at ``when``."""
        deadline = Deadline(when, item)
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, deadline))
        return deadline

    def cancel(self, deadline: Deadline[T]) -> None:
        """Cancel an entry. Each entry is cancelled or popped, once."""
        assert deadline.item is not None, "an entry ends once"
        deadline.item = None
        self._cancelled += 1
        if self._cancelled > _FEW and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].item is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def in_order(self) -> Iterator[tuple[float, T]]:
        """Yield the times and items in order, without those that are cancelled or popped in the meantime."""
        heap = self._heap.copy()
        while heap:
            when, _, deadline = heapq.heappop(heap)
            item = deadline.item
            if item is not None:
                yield when, item

    def next_due(self) -> float | None:
        """Return the earliest time, or None if there are no items."""
        heap = self._heap
        while heap and heap[0][2].item is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> T | None:
        """Remove and return the item that is due first, or None if none is due yet."""
        due = self.next_due()
        if due is None or due > now:
            return None
        deadline = heapq.heappop(self._heap)[2]
        item = deadline.item
        deadline.item = None
        return item
