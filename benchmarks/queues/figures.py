# SPDX-License-Identifier: MIT
"""Figures of a round, and their medians."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import median
from typing import Any

from benchmarks.queues.contestants import Contestant

__all__ = ["Figures", "Result", "percentile"]


@dataclass(slots=True)
class Figures:
    """The figures of one contestant in one round, or their medians.

    Attributes:
        enqueue: Jobs submitted one by one, in each second.
        enqueue_batches: The same, many with each call.
        drain: Jobs that one worker process does in each second, out of a full queue.
        p50_ms: Milliseconds from asking until the result is there, in the median.
        p99_ms: The same, as one call in a hundred exceeds it.
        memory_mib: The proportional share of memory (PSS) of an idle worker with its children.
    """

    enqueue: float | None = None
    enqueue_batches: float | None = None
    drain: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    memory_mib: float | None = None


@dataclass(slots=True)
class Result:
    """All rounds of one contestant, and its errors."""

    contestant: Contestant
    rounds: list[Figures] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[float]:
        """Return one figure of those rounds that have it."""
        return [value for figures in self.rounds if (value := getattr(figures, name)) is not None]

    @property
    def medians(self) -> Figures:
        """The median of each figure over the rounds."""
        taken = {each.name: self.values(each.name) for each in fields(Figures)}
        return Figures(**{name: median(values) for name, values in taken.items() if values})

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        return {
            "medians": asdict(self.medians),
            "rounds": [asdict(figures) for figures in self.rounds],
            "errors": self.errors,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of the values does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
