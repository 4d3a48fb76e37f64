# SPDX-License-Identifier: MIT
"""Jobs that were taken from a worker, so that late words on them are no errors (protocol 7.3)."""

from typing import Final

__all__ = ["TakenAway"]

# A worker that answers for such jobs has one forgotten with each last word; the limit is for workers that never do.
_MOST: Final = 1024


class TakenAway:
    """The handles of jobs that left a worker before its last word on them."""

    __slots__ = ("_handles",)

    def __init__(self) -> None:
        self._handles: dict[bytes, None] | None = None

    @property
    def is_empty(self) -> bool:
        """True if there is none."""
        return self._handles is None

    def __contains__(self, handle: object) -> bool:
        return self._handles is not None and handle in self._handles

    def add(self, handle: bytes) -> None:
        """Remember a job; the oldest is forgotten for it if there are too many."""
        handles = self._handles
        if handles is None:
            handles = self._handles = {}
        handles[handle] = None
        if len(handles) > _MOST:
            del handles[next(iter(handles))]

    def has(self, handle: bytes, *, is_last: bool) -> bool:
        """Tell whether a word is about such a job; the last word on it ends the memory."""
        handles = self._handles
        if handles is None or handle not in handles:
            return False
        if is_last:
            del handles[handle]
            if not handles:
                self._handles = None
        return True
