# SPDX-License-Identifier: MIT
"""What the parts of the benchmark have in common: what they are given, and what they make of it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Figure", "Figures", "Part", "Setting"]

Figures: TypeAlias = dict[str, Any]  # what a part has measured, as it stands in a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured, and how thoroughly.

    Attributes:
        load: The load generator.
        servers: Commands by name; the first is ours.
        rounds: How often each pair is measured.
        most: No more jobs, connections or functions than that.
        workloads: Which rows of the table; all if there are none.
        say: Tells who waits how far it is.
    """

    load: Path
    servers: Mapping[str, str]
    rounds: int = 1
    most: int = sys.maxsize
    workloads: tuple[str, ...] = ()
    say: Callable[[str], None] = lambda what: None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of ours that can be compared with an earlier one."""

    value: float
    less_is_better: bool

    def times_as_good_as(self, before: "Figure") -> float:
        """Return above 1 what is better now."""
        better, worse = (before, self) if self.less_is_better else (self, before)
        return better.value / worse.value if worse.value else 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the benchmark.

    Attributes:
        about: What it measures.
        measure: Does so.
        tell: Puts what was measured into Markdown.
        figures: Picks what is compared with a baseline.
        most_rounds: More would not make it any better.
        is_alone: Only ours is measured.
    """

    about: str
    measure: Callable[[Setting], Figures]
    tell: Callable[[Figures], str]
    figures: Callable[[Figures], dict[str, Figure]]
    most_rounds: int = sys.maxsize
    is_alone: bool = False
