# SPDX-License-Identifier: MIT
"""The ledger of a soak test: a file to which all agents write, and the checks of it.

An entry is a line: the time, the event, the job, and the worker. Agents may be killed between any two entries; entries
are never lost. These invariants must hold at the end:

1. A job that was *accepted* (JOB_CREATED of a background job) ran at least once when the queues are empty.
2. A job with a *result* ran, and the result is its own.
3. A job that ran was *asked* for, and its workload was not altered.
4. If a job ran more than once, the worker or the server was stopped, terminated or killed right after the first run.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from geartrain.wording import counted

__all__ = ["Totals", "Disturbance", "Ledger"]

SERVER = "server"
WINDOW = 15.0  # seconds between a run and the disturbance that caused another one; stopped agents go on after 3
_EARLY = 0.2  # seconds between a disturbance and an entry that the agent still wrote after it

_Run: TypeAlias = tuple[float, str]  # time and worker


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A disturbance or start of an agent or of the server.

    Attributes:
        at: The time, in seconds since 1970.
        name: The agent, or the server.
        what: ``killed``, ``ended``, ``stopped`` or ``started``.
    """

    at: float
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a ledger.

    Attributes:
        faults: Violations of the invariants.
    """

    asked: int
    accepted: int
    done: int
    again: int
    results: int
    failed: int
    faults: list[str]


@dataclass(slots=True)
class Ledger:
    """A reader of the file as it grows.

    Attributes:
        done: Number of runs of jobs.
    """

    file: Path
    asked: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    results: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    runs: defaultdict[str, list[_Run]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    done: int = 0
    _position: int = 0

    def read(self) -> None:
        """Read the entries that were written since the last call."""
        with self.file.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode().splitlines():
            self._take(line)

    def check(self, disturbances: list[Disturbance]) -> Totals:
        """Check the invariants.

        Args:
            disturbances: The disturbances, after which a job may run again.
        """
        times = _times_of(disturbances)
        again = {job: runs for job, runs in self.runs.items() if len(runs) > 1}
        faults = [
            f"{counted(len(jobs), 'job')} {fault}: {', '.join(sorted(jobs)[:5])}"
            for fault, jobs in self._missing()
            if jobs
        ]
        faults += [f"a wrong result: {line}" for line in self.wrong]
        for job, runs in again.items():
            faults += [
                f"{job} ran at {name} and again, without a disturbance within {WINDOW:g} s"
                for at, name in sorted(runs)[:-1]
                if not _is_explained(at, times[name]) and not _is_explained(at, times[SERVER])
            ]
        return Totals(
            len(self.asked), len(self.accepted), self.done, len(again), len(self.results), len(self.failed), faults
        )

    def _missing(self) -> list[tuple[str, set[str]]]:
        done = self.runs.keys()
        return [
            ("accepted and lost", self.accepted - done),
            ("with a result, but never run", self.results - done),
            ("run, but never submitted", done - self.asked),
        ]

    def _take(self, line: str) -> None:
        at, what, job, *rest = line.split(" ", 3)
        if what == "did":
            self.runs[job].append((float(at), rest[0]))
            self.done += 1
        elif what == "wrong":
            self.wrong.append(line)
        else:
            {"asked": self.asked, "accepted": self.accepted, "result": self.results, "failed": self.failed}[what].add(
                job
            )


def _times_of(disturbances: list[Disturbance]) -> defaultdict[str, list[float]]:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for disturbance in sorted(disturbances, key=lambda disturbance: disturbance.at):
        if disturbance.what != "started":
            times[disturbance.name].append(disturbance.at)
    return times


def _is_explained(at: float, times: list[float]) -> bool:
    place = bisect_left(times, at - _EARLY)
    return (times[place] if place < len(times) else math.inf) < at + WINDOW
