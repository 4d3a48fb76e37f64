# SPDX-License-Identifier: MIT
"""Counts of the descriptors and objects of a process, for tests that find leaks."""

import gc
from pathlib import Path

from tests.thoroughness import often

__all__ = ["MANY", "Holdings"]

MANY = often(1_000, 10_000)  # repetitions of an operation that must not leak

_DESCRIPTORS = 4  # the last connections may be half closed
_OBJECTS = MANY // 2  # for caches of the interpreter; a leak of one object per repetition exceeds it


class Holdings:
    """The current numbers of descriptors and objects of this process."""

    def __init__(self) -> None:
        gc.collect()
        self.descriptors = len(list(Path("/dev/fd").iterdir()))
        self.objects = len(gc.get_objects())

    def exceed(self, before: "Holdings") -> str:
        """Return the counts that have grown since ``before``, as text; empty if none has."""
        grown = []
        if self.descriptors > before.descriptors + _DESCRIPTORS:
            grown.append(f"{self.descriptors - before.descriptors} descriptors")
        if self.objects > before.objects + _OBJECTS:
            grown.append(f"{self.objects - before.objects} objects")
        return " and ".join(grown)
