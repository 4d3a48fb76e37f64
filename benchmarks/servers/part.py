# SPDX-License-Identifier: MIT
"""The parts of the benchmark: their settings, their figures and their functions."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Figure", "Figures", "Part", "Setting"]

Figures: TypeAlias = dict[str, Any]  # the measurements of a part, as in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The servers to measure, and limits of the measurement.

    Attributes:
        load: The load generator.
        servers: Commands by name; the first one is Geartrain's.
        rounds: The number of measurements of each pair.
        most: The limit for jobs, connections and functions.
        workloads: The rows of the table; all if empty.
        say: Reports the progress.
    """

    load: Path
    servers: Mapping[str, str]
    rounds: int = 1
    most: int = sys.maxsize
    workloads: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of Geartrain that can be compared with an earlier one."""

    value: float
    less_is_better: bool

    def times_as_good_as(self, before: "Figure") -> float:
        """Return the improvement: above 1 if this figure is better."""
        better, worse = (before, self) if self.less_is_better else (self, before)
        return better.value / worse.value if worse.value else 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the benchmark.

    Attributes:
        about: The subject.
        measure: Measures it.
        tell: Formats the figures as Markdown, for users.
        figures: Selects the figures that are compared with a baseline.
        most_rounds: The number of rounds after which the result does not improve.
        is_alone: Only Geartrain is measured.
        goals: Formats the figures beside the goals, for contributors.
    """

    about: str
    measure: Callable[[Setting], Figures]
    tell: Callable[[Figures], str]
    figures: Callable[[Figures], dict[str, Figure]]
    most_rounds: int = sys.maxsize
    is_alone: bool = False
    goals: Callable[[Figures], str] | None = None
