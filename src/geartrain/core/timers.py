# SPDX-License-Identifier: MIT
"""The timers of all parts of the core.

A part of the core that waits for a time is a `Timed`. It sets its own time by `Timers.arm`, which keeps the earliest
time of all, so that a turn in which nothing is due costs one comparison for any number of parts.
"""

from typing import Final

from mypy_extensions import mypyc_attr

__all__ = ["NEVER", "Timed", "Timers"]

NEVER: Final = float("inf")


@mypyc_attr(allow_interpreted_subclasses=True)  # a part may be written in plain Python
class Timed:
    """The base of a part of the core that is called at a time.

    Attributes:
        due: The monotonic time at which `run` is called; `NEVER` for none.
    """

    __slots__ = ("due",)

    def __init__(self) -> None:
        self.due = NEVER

    def run(self, now: float) -> None:
        """Handle the deadline, and arm the timer again."""
        raise AssertionError("subclasses override this")


class Timers:
    """All timed parts, and the earliest time of any of them.

    Attributes:
        earliest: The time before which no part is due; `NEVER` if none is due at all.
    """

    __slots__ = ("_parts", "earliest")

    def __init__(self) -> None:
        self._parts: list[Timed] = []
        self.earliest = NEVER

    def add(self, part: Timed) -> None:
        """Add a part; it is called after those that were added before it."""
        self._parts.append(part)
        if part.due < self.earliest:
            self.earliest = part.due

    def arm(self, part: Timed, due: float) -> None:
        """Set the time of a part to an earlier or later one."""
        part.due = due
        if due < self.earliest:
            self.earliest = due

    def run(self, now: float) -> None:
        """Call every part that is due, once; parts that become due meanwhile are called in the next run."""
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
