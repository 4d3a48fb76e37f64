# SPDX-License-Identifier: MIT
"""Several kinds of work on two servers or more, and their ratios.

The servers run at the same time, and each workload goes to one and right after that to the next, so that other load on
the machine affects all of them. Every round uses new servers and changes the order. The result of a workload is the
median of the ratios of its rounds; the absolute figures depend on the machine more than on the servers.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from benchmarks.load import Run, Workload, give
from benchmarks.measured import BenchmarkError, running
from benchmarks.page import table
from benchmarks.servers.part import Figure, Figures, Part, Setting

__all__ = ["FLOOR", "TABLE", "WORKLOADS", "Comparison", "comparisons", "in_order", "misses"]

DEFAULT = "gearmand"
ONE_THREAD = "gearmand -t 1"  # one I/O thread in place of four
FLOOR = "floor"  # the server of C that shows the cost of the system calls; contributors need it, users do not


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A workload, and its goals.

    Attributes:
        rate: The goal for the ratio of jobs/s to gearmand with its defaults.
        cpu: The goal for the ratio of CPU time for each job to the same.
        rate_one: The goal for the ratio of jobs/s to gearmand with one I/O thread, which is faster; 0 for none.
        cpu_one: The goal for the ratio of CPU time for each job to the same; 0 for none.
        queue: The workload whose jobs are taken, if there are no clients.
    """

    workload: Workload
    rate: float
    cpu: float
    rate_one: float = 0.0
    cpu_one: float = 0.0
    queue: str = ""

    def goals(self, server: str) -> tuple[float, float]:
        """Return the goals for the ratios of jobs/s and of CPU time to a server."""
        return (self.rate_one, self.cpu_one) if server == ONE_THREAD else (self.rate, self.cpu)


# In the order in which they run.
WORKLOADS = {
    "roundtrip": Row(
        workload=Workload(jobs=10_000, clients=1, workers=1), rate=1.3, cpu=1.5, rate_one=1.0, cpu_one=0.9
    ),
    "foreground": Row(
        workload=Workload(jobs=100_000, clients=8, workers=8, depth=16), rate=1.6, cpu=2.2, rate_one=1.4, cpu_one=1.4
    ),
    "crowd": Row(workload=Workload(jobs=100_000, clients=50, workers=50, depth=20), rate=1.3, cpu=1.8, rate_one=1.2),
    "4k": Row(
        workload=Workload(jobs=50_000, clients=8, workers=8, depth=16, size=4096), rate=1.5, cpu=2.0, rate_one=1.3
    ),
    "herd": Row(workload=Workload(jobs=1_000, clients=1, workers=500), rate=60, cpu=70),
    "background": Row(
        workload=Workload(jobs=200_000, clients=8, workers=0, depth=32, background=True),
        rate=2.2,
        cpu=3.2,
        rate_one=1.7,
        cpu_one=1.7,
    ),
    "drain": Row(
        workload=Workload(jobs=200_000, clients=0, workers=8),
        queue="background",
        rate=2.0,
        cpu=2.7,
        rate_one=1.7,
        cpu_one=1.6,
    ),
    "unique": Row(
        workload=Workload(jobs=100_000, clients=8, workers=8, depth=32, background=True, unique=True),
        rate=1.7,
        cpu=2.5,
        rate_one=1.4,
    ),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs of one workload on Geartrain and another server, a pair for each round."""

    name: str
    server: str
    ours: list[Run]
    theirs: list[Run]

    @property
    def ratios(self) -> list[float]:
        """The ratio of jobs/s, by round."""
        return [ours.rate / theirs.rate for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median."""
        return median(self.ratios)

    @property
    def cpu_ratio(self) -> float:
        """The median ratio of CPU time for each job."""
        return median(theirs.cpu_us / ours.cpu_us for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def misses(self) -> list[str]:
        """The missed goals."""
        rate, cpu = WORKLOADS[self.name].goals(self.server)
        compared = (("jobs/s", self.ratio, rate), ("CPU per job", self.cpu_ratio, cpu))
        return [f"{what}: {ratio:.2f}, not {goal:g}" for what, ratio, goal in compared if ratio < goal]


def in_order(chosen: Sequence[str]) -> list[str]:
    """Return the chosen workloads, or all, in order, with those whose jobs they take.

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
    servers = _with_one_thread(setting.servers)
    runs: dict[str, dict[str, list[Any]]] = {name: {title: [] for title in servers} for name in names}
    for number in range(setting.rounds):
        with contextlib.ExitStack() as stack:
            turns = [(title, stack.enter_context(running(command))) for title, command in servers.items()]
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
    """Return the comparison of Geartrain with each other server, by workload."""
    found: dict[str, list[Comparison]] = {}
    for name, sides in figures.items():
        (_, ours), *others = [(title, [Run(**run) for run in runs]) for title, runs in sides.items()]
        for title, theirs in others:
            found.setdefault(title, []).append(Comparison(name, title, ours, theirs))
    return found


def misses(figures: Figures) -> list[str]:
    """Return the missed goals, which are ratios to gearmand with its defaults and with one I/O thread."""
    found = comparisons(figures)
    return [
        f"{row.name}, {title}: {miss}" for title in _with_goals(found) for row in found[title] for miss in row.misses
    ]


def _with_goals(found: dict[str, list[Comparison]]) -> list[str]:
    """Return the servers that goals are for: the first one, and the same with one I/O thread."""
    first = next(iter(found))
    return [first, *([ONE_THREAD] if ONE_THREAD in found else [])]


def _with_one_thread(servers: Mapping[str, str]) -> dict[str, str]:
    """Add gearmand with one I/O thread behind gearmand itself, if that is one of the servers."""
    found: dict[str, str] = {}
    for title, command in servers.items():
        found[title] = command
        if title == DEFAULT:
            found[ONE_THREAD] = f"{command} -t 1"
    return found


def tell(figures: Figures) -> str:
    """Format rates and costs of Geartrain and each other server."""
    return "\n\n".join(
        text for title, rows in comparisons(figures).items() if title != FLOOR for text in _tables(title, rows)
    )


def goals(figures: Figures) -> str:
    """Format the ratios beside their goals, and the comparison with the floor."""
    found = comparisons(figures)
    parts: list[str] = []
    for title in _with_goals(found):
        titles = [f"Geartrain / {title}", "jobs/s", "goal", "CPU per job", "goal"]
        parts.append(table(titles, [_beside_goals(row) for row in found[title]]))
    return "\n\n".join([*parts, *(_tables(FLOOR, found[FLOOR]) if FLOOR in found else ())])


def _tables(title: str, rows: Sequence[Comparison]) -> list[str]:
    rates = ["jobs/s", "Geartrain", title, "ratio", "ratio, by round"]
    costs = ["CPU us/job", "Geartrain", title, "ratio", "p50/p99 us, Geartrain", title]
    return [table(rates, [_rates(row) for row in rows]), table(costs, [_costs(row) for row in rows])]


def _beside_goals(row: Comparison) -> list[str]:
    rate, cpu = WORKLOADS[row.name].goals(row.server)
    return [
        row.name,
        f"{row.ratio:.2f}",
        f"{rate:g}" if rate else "-",
        f"{row.cpu_ratio:.2f}",
        f"{cpu:g}" if cpu else "-",
    ]


def _rates(row: Comparison) -> list[str]:
    return [
        row.name,
        f"{medians(row.ours).rate:,.0f}",
        f"{medians(row.theirs).rate:,.0f}",
        f"{row.ratio:.2f}",
        f"{min(row.ratios):.2f}-{max(row.ratios):.2f}",
    ]


def _costs(row: Comparison) -> list[str]:
    ours, theirs = medians(row.ours), medians(row.theirs)
    return [
        row.name,
        f"{ours.cpu_us:,.1f}",
        f"{theirs.cpu_us:,.1f}",
        f"{row.cpu_ratio:.2f}",
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
    """Return CPU per job, and the ratio to the first other server, which varies less than a rate."""
    found = {}
    for name, sides in figures.items():
        ours = medians([Run(**run) for run in next(iter(sides.values()))])
        found[f"{name}, CPU us/job"] = Figure(ours.cpu_us, less_is_better=True)
        if len(sides) == 1:
            found[f"{name}, jobs/s"] = Figure(ours.rate, less_is_better=False)
    for title, rows in list(comparisons(figures).items())[:1]:
        found |= {f"{row.name}, times {title}": Figure(row.ratio, less_is_better=False) for row in rows}
    return found


TABLE = Part("several kinds of work, side by side", measure, tell, picked, goals=goals)
