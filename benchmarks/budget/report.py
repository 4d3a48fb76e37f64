# SPDX-License-Identifier: MIT
"""Figures beside their budget, and the functions that made a workload exceed it."""

from collections.abc import Collection, Mapping

from benchmarks.budget.callgrind import Profile
from benchmarks.budget.limits import Budget
from benchmarks.budget.profile import costliest

__all__ = ["report"]


def report(
    budget: Budget,
    figures: Mapping[str, Mapping[str, float]],
    profiles: Mapping[str, Profile],
    shown: Collection[str] = (),
) -> str:
    """Return a table of all figures, and tables of the costliest functions of each workload that exceeds its budget.

    Args:
        budget: The limits.
        figures: Figures by section and name.
        profiles: The profiles of the workloads.
        shown: Workloads whose functions are listed in any case.

    Raises:
        BenchmarkError: A profile cannot be read.
    """
    exceeded = budget.exceeded(figures)
    parts = [budget.compared(figures)]
    for name, profile in profiles.items():
        if ("instructions", name) in exceeded or name in shown:
            parts.append(f"Instructions per job of {name}, by function, from {profile.file}:\n\n{costliest(profile)}")
    return "\n\n".join(parts)
