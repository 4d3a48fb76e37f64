# SPDX-License-Identifier: MIT
"""Workloads whose instructions are counted: small ones, as a server under valgrind is 50 times slower."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.budget.callgrind import Profile, counted
from benchmarks.load import Workload

__all__ = ["STORED", "UNSTORED", "Counted", "count_all"]


@dataclass(frozen=True, slots=True)
class Counted:
    """A workload whose instructions are counted.

    Attributes:
        workload: The work.
        queue: Work that is done before, without being counted, for the same Gearman function.
    """

    workload: Workload
    queue: Workload | None = None


_BACKGROUND: Final = Workload(jobs=8_000, clients=8, workers=0, depth=32, background=True)

# On a server that keeps jobs in memory.
UNSTORED: Final = {
    "roundtrip": Counted(Workload(jobs=400, clients=1, workers=1)),
    "foreground": Counted(Workload(jobs=3_000, clients=8, workers=8, depth=16)),
    "crowd": Counted(Workload(jobs=6_000, clients=50, workers=50, depth=20)),
    "background": Counted(_BACKGROUND),
    "drain": Counted(Workload(jobs=8_000, clients=0, workers=8), queue=_BACKGROUND),
    "unique": Counted(Workload(jobs=6_000, clients=8, workers=8, depth=32, background=True, unique=True)),
}

# On a server with the default store.
STORED: Final = {
    "durable": Counted(Workload(jobs=12_000, clients=64, workers=0, depth=64, background=True)),
}


def count_all(
    command: str, workloads: Mapping[str, Counted], load: Path, folder: Path, say: Callable[[str], None]
) -> dict[str, Profile]:
    """Return the instructions that a server needs for workloads, which it gets one after the other.

    Args:
        command: The server's command, as for `benchmarks.measured.running`.
        workloads: The workloads by name.
        load: The load generator.
        folder: A folder for the profiles, which is made.
        say: Called with a line about each workload before it begins.

    Raises:
        BenchmarkError: valgrind is not installed, the server does not start, or it gave a wrong answer.
    """
    folder.mkdir(parents=True)
    profiles = {}
    with counted(command, folder) as server:
        server.warm_up(load)
        for name, each in workloads.items():
            say(f"instructions of {name}")
            if each.queue is not None:
                server.prepare(load, each.queue, name)
            profiles[name] = server.count(load, each.workload, name)
    return profiles
