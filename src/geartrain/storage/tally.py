# SPDX-License-Identifier: MIT
"""What is in a store, in numbers."""

from dataclasses import dataclass, field

from geartrain.jobrecord import JobRecord
from geartrain.records import Priority

__all__ = ["FunctionTally", "Tally"]


@dataclass(slots=True)
class FunctionTally:
    """The jobs of one function.

    Attributes:
        priorities: How many there are of each priority.
        delayed: How many of them have a time that has yet to come.
        schedules: How many schedules there are besides, which are no jobs.
        size: Bytes of all workloads.
    """

    priorities: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))
    delayed: int = 0
    schedules: int = 0
    size: int = 0

    @property
    def jobs(self) -> int:
        """How many there are."""
        return sum(self.priorities.values())


@dataclass(slots=True)
class Tally:
    """All jobs of a store.

    Args:
        now: Seconds since 1970, by which a job is delayed or due.

    Attributes:
        oldest: The least number that is there, or None without any.
        newest: The highest.
        next_at: When the first of the delayed jobs is due, or None without any.
        functions: The jobs of each function.
    """

    now: float
    oldest: int | None = None
    newest: int | None = None
    next_at: int | None = None
    functions: dict[bytes, FunctionTally] = field(default_factory=dict)

    def count(self, record: JobRecord) -> None:
        """Take note of a job, or a schedule of jobs; they come in the order of their numbers."""
        function = self.functions.get(record.function)
        if function is None:
            function = self.functions[record.function] = FunctionTally()
        function.size += len(record.workload)
        if record.schedule:
            function.schedules += 1
        else:
            function.priorities[Priority(record.priority)] += 1
            if record.run_at > self.now:
                function.delayed += 1
                self.next_at = record.run_at if self.next_at is None else min(self.next_at, record.run_at)
        self.oldest = record.number if self.oldest is None else self.oldest
        self.newest = record.number

    @property
    def jobs(self) -> int:
        """How many there are."""
        return sum(function.jobs for function in self.functions.values())

    @property
    def delayed(self) -> int:
        """How many have a time that has yet to come."""
        return sum(function.delayed for function in self.functions.values())

    @property
    def schedules(self) -> int:
        """How many schedules there are."""
        return sum(function.schedules for function in self.functions.values())

    @property
    def size(self) -> int:
        """Bytes of all workloads."""
        return sum(function.size for function in self.functions.values())
