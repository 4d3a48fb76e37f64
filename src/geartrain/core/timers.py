# SPDX-License-Identifier: MIT
"""One registry of everything that is due at some time.

A part of the core that waits for a time is a `Timed`. It sets its own time by `Timers.arm`, which keeps the earliest of
all, so that a turn in which nothing is due costs one comparison however many parts there are.
"""

from typing import Final

__all__ = ["NEVER", "Timed", "Timers"]

NEVER: Final = float("inf")


class Timed:
    """A part that has something to do at a time.

    Attributes:
        due: The monotonic time at which `run` is called; `NEVER` for none.
    """

    __slots__ = ("due",)

    def __init__(self) -> None:
        self.due = NEVER

    def run(self, now: float) -> None:
        """Do what is due, and arm again."""
        raise AssertionError("each part has its own")


class Timers:
    """All parts, and the earliest time of any of them.

    Attributes:
        earliest: No part is due before; `NEVER` if none is due at all.
    """

    __slots__ = ("_parts", "earliest")

    def __init__(self) -> None:
        self._parts: list[Timed] = []
        self.earliest = NEVER

    def add(self, part: Timed) -> None:
        """Call a part when it is due, after those that were added before it."""
        self._parts.append(part)
        if part.due < self.earliest:
            self.earliest = part.due

    def arm(self, part: Timed, due: float) -> None:
        """Set the time of a part; a later one than before takes effect, too."""
        part.due = due
        if due < self.earliest:
            self.earliest = due

    def run(self, now: float) -> None:
        """Call every part that is due, once; what becomes due meanwhile has its turn next."""
        if self.earliest > now:
            return
        for part in self._parts:
            if part.due <= now:
                part.due = NEVER
                part.run(now)
        self.earliest = NEVER
        for part in self._parts:
            if part.due < self.earliest:
                self.earliest = part.due
