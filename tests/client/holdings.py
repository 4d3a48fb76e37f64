# SPDX-License-Identifier: MIT
"""What a process holds on to, for tests of what must not grow."""

import gc
from pathlib import Path

from tests.thoroughness import often

__all__ = ["MANY", "Holdings"]

MANY = often(1_000, 10_000)  # times that something is done which is to leave nothing behind

_DESCRIPTORS = 4  # the last connections may be half closed
_OBJECTS = MANY // 2  # caches of the interpreter; one object of each time would be more


class Holdings:
    """The descriptors and objects that a process has at the moment."""

    def __init__(self) -> None:
        gc.collect()
        self.descriptors = len(list(Path("/dev/fd").iterdir()))
        self.objects = len(gc.get_objects())

    def exceed(self, before: "Holdings") -> str:
        """Say what has grown, or nothing."""
        grown = []
        if self.descriptors > before.descriptors + _DESCRIPTORS:
            grown.append(f"{self.descriptors - before.descriptors} descriptors")
        if self.objects > before.objects + _OBJECTS:
            grown.append(f"{self.objects - before.objects} objects")
        return " and ".join(grown)
