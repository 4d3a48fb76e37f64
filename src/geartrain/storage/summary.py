# SPDX-License-Identifier: MIT
"""Counts of the jobs in a store."""

from dataclasses import dataclass, field

from geartrain.core.record import JobRecord
from geartrain.records import Priority

__all__ = ["FunctionSummary", "Summary"]


@dataclass(slots=True)
class FunctionSummary:
    """The jobs of one function.

    Attributes:
        priorities: Number of jobs by priority.
        delayed: Number of jobs whose time has yet to come.
        schedules: Number of schedules, which are not jobs.
        size: Bytes of all workloads.
    """

    priorities: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))
    delayed: int = 0
    schedules: int = 0
    size: int = 0

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return sum(self.priorities.values())


@dataclass(slots=True)
class Summary:
    """All jobs of a store.

    Args:
        now: The current time in milliseconds since 1970.

    Attributes:
        oldest: The lowest number, or None without any.
        newest: The highest number.
        next_at: When the first delayed job is due, in milliseconds since 1970, or None without any.
        functions: The jobs of each function.
    """

    now: float
    oldest: int | None = None
    newest: int | None = None
    next_at: int | None = None
    functions: dict[bytes, FunctionSummary] = field(default_factory=dict)

    def count(self, record: JobRecord) -> None:
        """Count a job or a schedule; they come ordered by number."""
        function = self.functions.get(record.function)
        if function is None:
            function = self.functions[record.function] = FunctionSummary()
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
        """Number of jobs."""
        return sum(function.jobs for function in self.functions.values())

    @property
    def delayed(self) -> int:
        """Number of jobs whose time has yet to come."""
        return sum(function.delayed for function in self.functions.values())

    @property
    def schedules(self) -> int:
        """Number of schedules."""
        return sum(function.schedules for function in self.functions.values())

    @property
    def size(self) -> int:
        """Bytes of all workloads."""
        return sum(function.size for function in self.functions.values())
