# SPDX-License-Identifier: MIT
"""Several kinds of work on two servers or more, and how they compare.

The servers run side by side, and each workload goes to one and then at once to the next: what else the machine does
then hits all alike. Every round begins with fresh servers and changes who goes first. The result of a workload is the
median of the ratios of its rounds; the absolute figures say more about the machine than about the servers.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from benchmarks.load import Run, Workload, give
from benchmarks.measured import BenchmarkError, running
from benchmarks.page import table
from benchmarks.servers.part import Figure, Figures, Part, Setting

__all__ = ["TABLE", "WORKLOADS", "Comparison", "comparisons", "in_order", "misses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A workload, and how it is to compare with Debian's server.

    Attributes:
        rate: How many times as many jobs/s ours is to do.
        cpu: How many times as much CPU a job is to cost theirs.
        queue: The workload whose jobs are taken up, where there are no clients.
    """

    workload: Workload
    rate: float
    cpu: float
    queue: str = ""


# In the order in which they run.
WORKLOADS = {
    "roundtrip": Row(workload=Workload(jobs=10_000, clients=1, workers=1), rate=1.1, cpu=1.6),
    "foreground": Row(workload=Workload(jobs=100_000, clients=8, workers=8, depth=16), rate=2.5, cpu=3),
    "crowd": Row(workload=Workload(jobs=100_000, clients=50, workers=50, depth=20), rate=1.4, cpu=2.4),
    "4k": Row(workload=Workload(jobs=50_000, clients=8, workers=8, depth=16, size=4096), rate=3, cpu=3.5),
    "herd": Row(workload=Workload(jobs=1_000, clients=1, workers=500), rate=20, cpu=25),
    "background": Row(
        workload=Workload(jobs=200_000, clients=8, workers=0, depth=32, background=True), rate=1.3, cpu=1.5
    ),
    "drain": Row(workload=Workload(jobs=200_000, clients=0, workers=8), queue="background", rate=5, cpu=8),
    "unique": Row(
        workload=Workload(jobs=100_000, clients=8, workers=8, depth=32, background=True, unique=True), rate=5, cpu=7
    ),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs of one workload on ours and another server, a pair of them for each round."""

    name: str
    ours: list[Run]
    theirs: list[Run]

    @property
    def ratios(self) -> list[float]:
        """How many times as many jobs/s ours did, by round."""
        return [ours.rate / theirs.rate for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median."""
        return median(self.ratios)

    @property
    def cpu_ratio(self) -> float:
        """How many times as much CPU a job cost theirs, in the median."""
        return median(theirs.cpu_us / ours.cpu_us for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def misses(self) -> list[str]:
        """In what ours is behind what it is to be."""
        row = WORKLOADS[self.name]
        compared = (("jobs/s", self.ratio, row.rate), ("CPU per job", self.cpu_ratio, row.cpu))
        return [f"{what}: {ratio:.2f}, not {goal:g}" for what, ratio, goal in compared if ratio < goal]


def in_order(chosen: Sequence[str]) -> list[str]:
    """Return the chosen workloads, or all, as they run, with those whose jobs they take up.

    Raises:
        BenchmarkError: There is no such workload.
    """
    unknown = set(chosen) - set(WORKLOADS)
    if unknown:
        raise BenchmarkError(f"the workloads are {', '.join(WORKLOADS)}; not {', '.join(sorted(unknown))}")
    wanted = set(chosen or WORKLOADS)
    wanted |= {WORKLOADS[name].queue for name in wanted}
    return [name for name in WORKLOADS if name in wanted]


def measure(setting: Setting) -> Figures:
    """Run the workloads, round by round, on all servers in turn."""
    names = in_order(setting.workloads)
    runs: dict[str, dict[str, list[Any]]] = {name: {title: [] for title in setting.servers} for name in names}
    for number in range(setting.rounds):
        with contextlib.ExitStack() as stack:
            turns = [(title, stack.enter_context(running(command))) for title, command in setting.servers.items()]
            if number % 2:
                turns.reverse()
            for name in names:
                row = WORKLOADS[name]
                workload = replace(row.workload, jobs=min(row.workload.jobs, setting.most))
                for title, server in turns:
                    setting.say(f"round {number + 1} of {setting.rounds}: {name}, {title}")
                    try:
                        run = give(setting.load, server, workload, row.queue or name)  # none meets another's jobs
                    except BenchmarkError as error:
                        raise BenchmarkError(f"{name}, {title}: {error}") from error
                    runs[name][title].append(asdict(run))
    return runs


def comparisons(figures: Figures) -> dict[str, list[Comparison]]:
    """Return how ours compares with each of the others, workload by workload."""
    found: dict[str, list[Comparison]] = {}
    for name, sides in figures.items():
        (_, ours), *others = [(title, [Run(**run) for run in runs]) for title, runs in sides.items()]
        for title, theirs in others:
            found.setdefault(title, []).append(Comparison(name, ours, theirs))
    return found


def misses(figures: Figures) -> list[str]:
    """Return in what ours is behind what it is to be beside the first of the others."""
    rows = next(iter(comparisons(figures).values()))
    return [f"{row.name}: {miss}" for row in rows for miss in row.misses]


def tell(figures: Figures) -> str:
    """Lay out rates and costs beside each of the others, and what is wanted beside the first of them."""
    tables: list[str] = []
    for title, rows in comparisons(figures).items():
        wanted = [] if tables else ["wanted"]
        rates = ["jobs/s", "ours", title, "ratio", "rounds", *wanted]
        costs = ["CPU us/job", "ours", title, "ratio", *wanted, "p50/p99 us, ours", title]
        tables += [
            table(rates, [_rates(row, wanted) for row in rows]),
            table(costs, [_costs(row, wanted) for row in rows]),
        ]
    return "\n\n".join(tables)


def _rates(row: Comparison, wanted: Sequence[str]) -> list[str]:
    return [
        row.name,
        f"{medians(row.ours).rate:,.0f}",
        f"{medians(row.theirs).rate:,.0f}",
        f"{row.ratio:.2f}",
        f"{min(row.ratios):.2f}-{max(row.ratios):.2f}",
        *(f"{WORKLOADS[row.name].rate:g}" for _ in wanted),
    ]


def _costs(row: Comparison, wanted: Sequence[str]) -> list[str]:
    ours, theirs = medians(row.ours), medians(row.theirs)
    return [
        row.name,
        f"{ours.cpu_us:,.1f}",
        f"{theirs.cpu_us:,.1f}",
        f"{row.cpu_ratio:.2f}",
        *(f"{WORKLOADS[row.name].cpu:g}" for _ in wanted),
        _latencies(ours),
        _latencies(theirs),
    ]


def medians(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    values: list[dict[str, Any]] = [asdict(run) for run in runs]
    return Run(**{name: median(value[name] for value in values) for name, one in values[0].items() if one is not None})


def _latencies(run: Run) -> str:
    return "-" if run.p50_us is None or run.p99_us is None else f"{run.p50_us:.0f}/{run.p99_us:.0f}"


def picked(figures: Figures) -> dict[str, Figure]:
    """Return CPU per job, and how ours compares with the first of the others, which drifts less than a rate."""
    found = {}
    for name, sides in figures.items():
        ours = medians([Run(**run) for run in next(iter(sides.values()))])
        found[f"{name}, CPU us/job"] = Figure(ours.cpu_us, less_is_better=True)
        if len(sides) == 1:
            found[f"{name}, jobs/s"] = Figure(ours.rate, less_is_better=False)
    for title, rows in list(comparisons(figures).items())[:1]:
        found |= {f"{row.name}, times {title}": Figure(row.ratio, less_is_better=False) for row in rows}
    return found


TABLE = Part("several kinds of work, side by side", measure, tell, picked)
