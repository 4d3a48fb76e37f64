# SPDX-License-Identifier: MIT
"""Jobs that were taken from a worker, so that late packets about them are no errors (protocol 7.3)."""

from typing import Final

__all__ = ["TakenAway"]

# A result of a worker removes its job from here; the limit is for workers that never send one.
_MOST: Final = 1024


class TakenAway:
    """The handles of jobs that were taken from a worker before it sent a result."""

    __slots__ = ("_handles",)

    def __init__(self) -> None:
        self._handles: dict[bytes, None] | None = None

    @property
    def is_empty(self) -> bool:
        """True if no job is in here."""
        return self._handles is None

    def __len__(self) -> int:
        return 0 if self._handles is None else len(self._handles)

    def __contains__(self, handle: object) -> bool:
        return self._handles is not None and handle in self._handles

    def add(self, handle: bytes) -> None:
        """Add a job; the oldest is dropped if there are too many."""
        handles = self._handles
        if handles is None:
            handles = self._handles = {}
        handles[handle] = None
        if len(handles) > _MOST:
            del handles[next(iter(handles))]

    def has(self, handle: bytes, *, is_last: bool) -> bool:
        """Tell whether a packet is about such a job; a result removes it."""
        handles = self._handles
        if handles is None or handle not in handles:
            return False
        if is_last:
            del handles[handle]
            if not handles:
                self._handles = None
        return True
