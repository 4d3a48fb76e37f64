# SPDX-License-Identifier: MIT
"""The functions on which a workload's instructions were spent, as callgrind_annotate lists them."""

import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.budget.callgrind import Profile
from benchmarks.measured import BenchmarkError
from benchmarks.page import table

__all__ = ["costliest", "read_costs"]

_ROWS = 30  # of each table
_COST = re.compile(r"^\s*([\d,]+) \([^)]*\)\s+(?:\S.*?:)?([^\s:]+)(?: \[.*\])?$")


def costliest(profile: Profile) -> str:
    """Return two tables of functions: by their own instructions per job, and with those of their callees.

    Raises:
        BenchmarkError: callgrind_annotate failed.
    """
    # A function in which others were inlined has a line for each of their files: parts of its own cost, and each time
    # nearly all of the cost with calls.
    own = read_costs(_annotated(profile.file), sum)
    with_calls = read_costs(_annotated(profile.file, "--inclusive=yes"), max)
    tables = []
    for ranking in (own, with_calls):
        names = sorted(ranking, key=lambda name: -ranking[name])[:_ROWS]
        rows = [[name, *(f"{costs.get(name, 0) / profile.jobs:,.0f}" for costs in (own, with_calls))] for name in names]
        tables.append(table(["function", "own", "with calls"], rows))
    return "\n\n".join(tables)


def read_costs(annotated: str, combine: Callable[[Iterable[int]], int]) -> dict[str, int]:
    """Return the instructions of each function from the output of callgrind_annotate.

    Args:
        annotated: The output.
        combine: Makes one number of those of a function that is listed for several files.
    """
    _, _, functions = annotated.partition("file:function")
    found: dict[str, list[int]] = {}
    for line in functions.splitlines():
        if match := _COST.match(line):
            found.setdefault(match[2], []).append(int(match[1].replace(",", "")))
    return {name: combine(costs) for name, costs in found.items() if not name.startswith("0x")}  # which has no name


def _annotated(file: Path, *options: str) -> str:
    command = ["callgrind_annotate", "--auto=no", "--threshold=100", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"callgrind_annotate: {done.stderr.strip()}")
    return done.stdout
