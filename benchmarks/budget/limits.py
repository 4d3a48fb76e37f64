# SPDX-License-Identifier: MIT
"""The budget: a file of the most that each figure may be, and what it was measured with."""

import platform
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.measured import BenchmarkError
from benchmarks.page import table

__all__ = ["BUDGET", "Budget", "environment"]

BUDGET: Final = Path(__file__).with_name("budget.toml")

MARGIN: Final = 1.03  # of a budget that is written from figures
_LOOSE: Final = 0.9  # below this share of its limit, a figure asks for a lower one

_HEAD: Final = """\
# SPDX-License-Identifier: MIT
#
# The most that the compiled server may use; `make budget` compares. A change that makes the server better lowers a
# number here; one that raises a number says in its message why that is worth it. `make budget ARGS=--write` sets all
# numbers to what it measures and 3 % more.
"""
# Units of each section.
_UNITS: Final = {
    "instructions": "of the server per job, as callgrind counts them, without the kernel's",
    "memory": "the idle server with the default store in KiB, an idle worker and a job in bytes",
}


def environment() -> dict[str, str]:
    """Return what changes the figures although the source is the same."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
        "system": sys.platform,
    }


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that each figure may be, by section and name.

    Attributes:
        limits: The numbers.
        measured_with: The environment in which they hold.
    """

    limits: Mapping[str, Mapping[str, int]]
    measured_with: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> "Budget":
        """Read a file."""
        sections = tomllib.loads(file.read_text())
        return cls({name: sections[name] for name in _UNITS}, sections["measured-with"])

    @classmethod
    def from_figures(cls, figures: Mapping[str, Mapping[str, float]]) -> "Budget":
        """Return the budget that figures keep with a margin."""
        limits = {
            section: {name: round(value * MARGIN) for name, value in values.items()}
            for section, values in figures.items()
        }
        return cls(limits, environment())

    def write(self, file: Path) -> None:
        """Write it to a file."""
        lines = [_HEAD, "[measured-with]", *(f'{name} = "{value}"' for name, value in self.measured_with.items())]
        for section, limits in self.limits.items():
            lines += [
                "",
                f"[{section}] # {_UNITS[section]}",
                *(f"{name} = {limit:_}" for name, limit in limits.items()),
            ]
        file.write_text("\n".join(lines) + "\n")

    def check_environment(self) -> None:
        """Check that figures of this machine can be compared with it.

        Raises:
            BenchmarkError: They cannot, as it was measured with another Python or on another kind of machine.
        """
        if self.measured_with != environment():
            described = [
                ", ".join(f"{name} {value}" for name, value in each.items())
                for each in (self.measured_with, environment())
            ]
            raise BenchmarkError(f"the budget is for {described[0]}; this is {described[1]} (--write makes one for it)")

    def exceeded(self, figures: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
        """Return section and name of each figure above its limit, or without one."""
        return [
            (section, name)
            for section, values in figures.items()
            for name, value in values.items()
            if value > self.limits[section].get(name, 0)
        ]

    def compared(self, figures: Mapping[str, Mapping[str, float]]) -> str:
        """Return a table of figures beside their limits."""
        rows = []
        for section, values in figures.items():
            for name, value in values.items():
                limit = self.limits[section].get(name, 0)
                verdict = "exceeded" if value > limit else "could be lower" if value < limit * _LOOSE else "kept"
                rows.append([section, name, f"{value:,.0f}", f"{limit:,}", verdict])
        return table(["section", "figure", "measured", "budget", ""], rows, words=2)
