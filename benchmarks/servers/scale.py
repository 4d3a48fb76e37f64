# SPDX-License-Identifier: MIT
"""CPU time of a server for each job, as the number of jobs, workers, functions or clients grows.

A cost that grows with the number of waiting jobs, workers or functions leads to an outage; it has to stay flat. Servers
take turns at every size, and the cost is the median of the rounds.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.load import Workload, give, holding
from benchmarks.measured import BenchmarkError, MeasuredServer, running
from benchmarks.page import table
from benchmarks.servers.part import Figure, Figures, Part, Setting

__all__ = ["CURVES", "SCALE", "Curve"]

_PILE, _CROWD = "pile", "crowd"


class Ground:
    """A server with a growing number of jobs or workers."""

    def __init__(self, setting: Setting, command: str, stack: contextlib.ExitStack) -> None:
        self.server: MeasuredServer = stack.enter_context(running(command))
        self._setting = setting
        self._stack = stack
        self._grown = 0

    def pile_up(self, jobs: int) -> None:
        """Fill the queue up to a number of jobs."""
        if jobs > self._grown:
            filling = Workload(jobs=jobs - self._grown, clients=8, workers=0, depth=32, background=True)
            give(self._setting.load, self.server, filling, _PILE)
            self._grown = jobs

    def add_idle_workers(self, workers: int) -> None:
        """Connect idle workers up to a number."""
        if workers > self._grown:
            self._stack.enter_context(holding(self._setting.load, self.server, workers - self._grown, _CROWD))
            self._grown = workers


@dataclass(frozen=True, slots=True)
class Curve:
    """A number that grows.

    Attributes:
        title: Its name.
        work: The work at each size.
        points: The sizes.
        prepare: Brings a server to a size, and returns the work for it and the function.
    """

    title: str
    work: str
    points: tuple[int, ...]
    prepare: Callable[[Ground, int], tuple[Workload, str]]


def _decades(first: int, last: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, ... between two powers of ten."""
    found = []
    decade = first
    while decade < last:
        found += [decade, 2 * decade, 5 * decade]
        decade *= 10
    return (*found, last)


def _queued(ground: Ground, size: int) -> tuple[Workload, str]:
    ground.pile_up(size)
    return Workload(jobs=10_000, clients=8, workers=8, depth=32, background=True), _PILE


def _idle(ground: Ground, size: int) -> tuple[Workload, str]:
    ground.add_idle_workers(size)
    return Workload(jobs=20_000, clients=8, workers=8, depth=16), "work"


def _functions(ground: Ground, size: int) -> tuple[Workload, str]:
    return Workload(jobs=20_000, clients=8, workers=100, depth=16, functions=size), f"functions-{size}"


def _abilities(ground: Ground, size: int) -> tuple[Workload, str]:
    return Workload(jobs=5_000, clients=1, workers=1, functions=size), f"abilities-{size}"


def _asleep(ground: Ground, size: int) -> tuple[Workload, str]:
    return Workload(jobs=500, clients=1, workers=size), f"asleep-{size}"


def _streams(ground: Ground, size: int) -> tuple[Workload, str]:
    return Workload(jobs=400, clients=size, workers=8, size=2**16, chunks=15), f"streams-{size}"


CURVES = {
    "queued": Curve("waiting jobs", "8 clients add jobs, 8 workers take jobs", _decades(1_000, 1_000_000), _queued),
    "idle": Curve(
        "idle workers", "8 clients with 16 jobs each in flight, 8 other workers", _decades(10, 10_000), _idle
    ),
    "functions": Curve(
        "functions",
        "8 clients with 16 jobs each in flight, for all functions in turn; 100 workers share the functions",
        (100, 200, 300, 500, 700, 1_000, 2_000, 3_000, 5_000, 10_000),
        _functions,
    ),
    "abilities": Curve(
        "functions of one worker",
        "one job at a time, for all functions in turn",
        (1, 2, 3, 5, 7, 10, 20, 30, 50, 100),
        _abilities,
    ),
    "asleep": Curve(
        "idle workers of one function", "one job at a time", (1, 2, 5, 10, 20, 50, 100, 200, 350, 500), _asleep
    ),
    "streams": Curve(
        "clients with a result of 1 MiB each",
        "16 packets of 64 KiB for each job; 8 workers",
        (1, 2, 3, 5, 7, 10, 20, 30, 50, 100),
        _streams,
    ),
}


def measure(setting: Setting) -> Figures:
    """Measure every curve on every server; each curve begins with fresh ones."""
    return {name: _follow(curve, setting) for name, curve in CURVES.items()}


def _follow(curve: Curve, setting: Setting) -> Figures:
    """Return, by server, each size with the microseconds of a job."""
    sizes = [size for size in curve.points if size <= setting.most] or [setting.most]
    costs: dict[str, list[tuple[int, float]]] = {title: [] for title in setting.servers}
    with contextlib.ExitStack() as stack:
        grounds = {title: Ground(setting, command, stack) for title, command in setting.servers.items()}
        for size in sizes:
            measured: dict[str, list[float]] = {title: [] for title in grounds}
            for _ in range(setting.rounds):
                for title, ground in list(grounds.items()):
                    setting.say(f"{size:,} {curve.title}: {title}")
                    try:
                        measured[title].append(_cost(curve, ground, size, setting))
                    except BenchmarkError as error:
                        if ground is next(iter(grounds.values())):
                            raise BenchmarkError(f"{size:,} {curve.title}: {error}") from error
                        del grounds[title]  # this server did not survive it
            for title in grounds:
                costs[title].append((size, median(measured[title])))
    return costs


def _cost(curve: Curve, ground: Ground, size: int, setting: Setting) -> float:
    workload, function = curve.prepare(ground, size)
    jobs = min(workload.jobs, setting.most)
    return give(setting.load, ground.server, replace(workload, jobs=jobs), function).cpu_us


def tell(figures: Figures) -> str:
    """Format the begin and the end of each curve."""
    servers = list(next(iter(figures.values())))
    titles = ["growing number", "from", "to"]
    for title in servers:
        titles += [f"CPU us/job, {title}", "ratio"]
    return table(titles, [_cells(CURVES[name], costs) for name, costs in figures.items()])


def _cells(curve: Curve, costs: Figures) -> list[str]:
    ours = next(iter(costs.values()))
    first, last = ours[0][0], ours[-1][0]
    cells = [f"{curve.title}: {curve.work}", f"{first:,}", f"{last:,}"]
    for curve_points in costs.values():
        if curve_points and curve_points[-1][0] == last:
            begins, ends = curve_points[0][1], curve_points[-1][1]
            cells += [f"{begins:,.1f} to {ends:,.1f}", f"{ends / begins:.2f}"]
        else:
            survived = curve_points[-1][0] if curve_points else 0
            cells += [f"failed after {survived:,}", "-"]
    return cells


def picked(figures: Figures) -> dict[str, Figure]:
    """Return the cost at the end of each curve."""
    found = {}
    for name, costs in figures.items():
        size, cost = next(iter(costs.values()))[-1]
        found[f"{size:,} {CURVES[name].title}, CPU us/job"] = Figure(cost, less_is_better=True)
    return found


SCALE = Part("the cost of a job as the load grows", measure, tell, picked, most_rounds=3)
