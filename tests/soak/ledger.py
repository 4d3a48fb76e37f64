# SPDX-License-Identifier: MIT
"""The ledger of a soak, in which all agents write, and whether it balances at the end.

An entry is a line: the time, what has happened, to which job, and by whom. Agents may be killed between any two of
them; what is written stays.

1. Who is *accepted* (JOB_CREATED of a background job) is done at least once, when the queues have run empty.
2. Who has brought a *result* was done, and the result is its own.
3. Who was done was *asked* for, and came as it was sent.
4. Who was done more than once was with a worker that was stopped, ended or killed right after, or the server was.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

__all__ = ["Balance", "Blow", "Ledger"]

SERVER = "server"
WINDOW = 15.0  # seconds from the beginning of a run to what made another one necessary; stopped agents go on after 3
_EARLY = 0.2  # seconds between a blow and what the one who was hit has written before it fell

_Run: TypeAlias = tuple[float, str]  # when, and by whom


@dataclass(frozen=True, slots=True)
class Blow:
    """What has happened to an agent, or to the server.

    Attributes:
        at: When, in seconds since 1970.
        name: Who was hit.
        what: ``killed``, ``ended``, ``stopped``, ``started``.
    """

    at: float
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What the books say at the end.

    Attributes:
        faults: What must not be.
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
    """Reads the file as it grows.

    Attributes:
        done: How many runs there were.
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
        """Take up what has been written since the last time."""
        with self.file.open("rb") as file:
            file.seek(self._position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.decode().splitlines():
            self._take(line)

    def balance(self, blows: list[Blow]) -> Balance:
        """Compare what was promised with what was done.

        Args:
            blows: What might excuse that a job was done again.
        """
        hits = _hits(blows)
        again = {job: runs for job, runs in self.runs.items() if len(runs) > 1}
        faults = [f"{len(jobs)} jobs {what}: {', '.join(sorted(jobs)[:5])}" for what, jobs in self._missing() if jobs]
        faults += [f"a wrong result: {line}" for line in self.wrong]
        for job, runs in again.items():
            faults += [
                f"{job} was done by {name} and again, though nobody was hit within {WINDOW:g} s"
                for at, name in sorted(runs)[:-1]
                if not _is_excused(at, hits[name]) and not _is_excused(at, hits[SERVER])
            ]
        return Balance(
            len(self.asked), len(self.accepted), self.done, len(again), len(self.results), len(self.failed), faults
        )

    def _missing(self) -> list[tuple[str, set[str]]]:
        done = self.runs.keys()
        return [
            ("were accepted and are lost", self.accepted - done),
            ("brought a result and were not done", self.results - done),
            ("were done and nobody had asked for them", done - self.asked),
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


def _hits(blows: list[Blow]) -> defaultdict[str, list[float]]:
    hits: defaultdict[str, list[float]] = defaultdict(list)
    for blow in sorted(blows, key=lambda blow: blow.at):
        if blow.what != "started":
            hits[blow.name].append(blow.at)
    return hits


def _is_excused(at: float, hits: list[float]) -> bool:
    place = bisect_left(hits, at - _EARLY)
    return (hits[place] if place < len(hits) else math.inf) < at + WINDOW
