# SPDX-License-Identifier: MIT
"""Measure the cost of durable background jobs, for every store and Debian's gearmand, in one run.

Contestants take turns within each round, each with a new server and a new store on the same disk. Ratios are taken
within a round, and the table has their medians. Then a server with a million jobs is killed, and the next one is
queried while it loads them.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from benchmarks.contenders import GEARMAND, builds
from benchmarks.durable_picture import draw
from benchmarks.load import Workload, compile_load, give
from benchmarks.machine import describe
from benchmarks.measured import BenchmarkError, running
from benchmarks.page import ROOT, fill
from geartrain import AdminClient, Client
from tests.storage.places import STORES

PAGE = ROOT / "docs" / "benchmarks-durability.md"

CLIENTS = 64
DEPTH = 64  # submissions in flight on each connection
_ALONE = 300  # submissions that are measured one at a time
_LONGEST = 120.0  # seconds until all jobs are loaded
_BLOCK = 4096  # bytes written before a sync, as in a small commit

_BUILD, _OURS = next(iter(builds().items()))


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server and its store.

    Attributes:
        title: Its name in the table.
        promise: The failures that an acknowledged job survives.
        jobs: The number of jobs, for some seconds of work.
        place: Creates its store in a folder, and returns its command.
    """

    title: str
    promise: str
    jobs: int
    place: Callable[[Path], contextlib.AbstractContextManager[str]]


@contextlib.contextmanager
def _stored(store: str, words: str, folder: Path) -> Iterator[str]:
    with STORES[store](folder) as place:
        yield f"{_OURS} --store={place.url} {words}"


@contextlib.contextmanager
def _plain(command: str, folder: Path) -> Iterator[str]:
    yield f"{command} {folder}/jobs.db" if command.endswith("-db") else command


_POWER = "power failure"
_ALMOST = "power failure, except the last second"
CONTESTANTS = {
    "none": Contestant("Geartrain, no store", "nothing", 200_000, partial(_plain, f"{_OURS} --store=none")),
    "sqlite": Contestant("Geartrain, SQLite (default)", _POWER, 100_000, partial(_stored, "sqlite", "")),
    "relaxed": Contestant(
        "Geartrain, SQLite, relaxed", _ALMOST, 100_000, partial(_stored, "sqlite", "--durability=relaxed")
    ),
    "postgres": Contestant("Geartrain, PostgreSQL", _POWER, 50_000, partial(_stored, "postgres", "")),
    "mysql": Contestant("Geartrain, MariaDB", _POWER, 50_000, partial(_stored, "mysql", "")),
    "redis": Contestant("Geartrain, Redis (appendfsync always)", _POWER, 50_000, partial(_stored, "redis", "")),
    "memcached": Contestant("Geartrain, memcached", "crash of the server", 20_000, partial(_stored, "memcached", "")),
    "gearmand": Contestant("gearmand, no queue", "nothing", 200_000, partial(_plain, GEARMAND)),
    "gearmand-sqlite": Contestant(
        "gearmand, libsqlite3", _POWER, 2_000, partial(_plain, f"{GEARMAND} --queue-type=libsqlite3 --libsqlite3-db")
    ),
}


@dataclass(slots=True)
class Figures:
    """Figures of one contestant, by round.

    Attributes:
        rates: Jobs per second, with many submissions in flight.
        alone_us: Microseconds of a single submission, the median of a round.
        alone_99_us: The time that one submission in a hundred exceeds.
    """

    rates: list[float] = field(default_factory=list)
    alone_us: list[float] = field(default_factory=list)
    alone_99_us: list[float] = field(default_factory=list)


def measure(contestant: Contestant, load: Path, most_jobs: int, figures: Figures) -> None:
    """Submit jobs to a new server, many at once and then one by one."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        contestant.place(Path(folder)) as command,
        running(command) as server,
    ):
        many = give(load, server, _many(min(contestant.jobs, most_jobs)), "many")
        one = give(load, server, Workload(jobs=_ALONE, clients=1, workers=0, background=True), "one")
    assert one.p50_us is not None, "one at a time is timed"
    assert one.p99_us is not None, "one at a time is timed"
    figures.rates.append(many.rate)
    figures.alone_us.append(one.p50_us)
    figures.alone_99_us.append(one.p99_us)


def _many(jobs: int) -> Workload:
    return Workload(jobs=jobs, clients=CLIENTS, workers=0, depth=DEPTH, background=True)


def sync_us(folder: Path) -> float:
    """Return the median time of an ``fdatasync`` in microseconds."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(_ALONE):
            file.write(bytes(_BLOCK))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return median(times) * 1e6


# A million jobs.


@dataclass(frozen=True, slots=True)
class Replay:
    """Figures of a restart with many jobs.

    Attributes:
        jobs: The number of jobs.
        seconds: From the start of the process to its first answer to a submission, when all jobs are loaded.
        first_echo: Seconds from the start to the first answer to an echo.
        slowest_echo: The longest time of an echo during the loading, in seconds.
        rss_mib: Its memory after the loading.
    """

    jobs: int
    seconds: float
    first_echo: float
    slowest_echo: float
    rss_mib: float


def replay(load: Path, jobs: int) -> Replay:
    """Fill a store, kill its server, and measure the next one."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        command = f"{_OURS} --store=sqlite://{folder}/jobs.db"
        with running(command) as server:
            give(load, server, _many(jobs), "many")
            os.kill(server.pid, signal.SIGKILL)
        begun = time.monotonic()
        with running(command) as server, ThreadPoolExecutor(1) as other:
            address = f"127.0.0.1:{server.port}"
            with Client(address) as client, AdminClient(address) as admin:
                client.ping()
                first = time.monotonic() - begun
                slowest = 0.0
                back = other.submit(_submit, address)
                while not back.done():
                    asked = time.monotonic()
                    client.ping()
                    slowest = max(slowest, time.monotonic() - asked)
                    time.sleep(0.01)
                restored = sum(function.total for function in admin.status()) - 1  # and the one that was submitted
            if restored != jobs:
                raise BenchmarkError(f"of {jobs} jobs that were left, it has {restored}")
            return Replay(jobs, back.result() - begun, first, slowest, server.rss_mib())


def _submit(address: str) -> float:
    """Submit a job, which waits until all others are loaded, and return the time of the answer."""
    with Client(address) as client:
        client.submit_background("another", timeout=_LONGEST)
    return time.monotonic()


# Output.


_HEAD = (
    "| server | an acknowledged job survives | jobs/s | relative to Geartrain without a store "
    "| relative to gearmand with SQLite | one submission, p50, ms | p99, ms |"
)


def table(figures: dict[str, Figures], disk_us: float) -> str:
    """Format the figures."""
    lines = [_HEAD, "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, each in figures.items():
        contestant = CONTESTANTS[name]
        share = _ratio(each, figures.get("none"))
        times = _ratio(each, figures.get("gearmand-sqlite"))
        lines.append(
            f"| {contestant.title} | {contestant.promise} | {median(each.rates):,.0f} | {share} | {times} "
            f"| {median(each.alone_us) / 1000:.2f} | {median(each.alone_99_us) / 1000:.2f} |"
        )
    lines += ["", f"One `fdatasync` of the same disk: {disk_us / 1000:.2f} ms."]
    return "\n".join(lines)


def _ratio(one: Figures, other: Figures | None) -> str:
    """Return the median of the ratios within each round."""
    if other is None:
        return "-"
    return f"{median(rate / beside for rate, beside in zip(one.rates, other.rates, strict=True)):,.2f}"


def told(replayed: Replay) -> str:
    """Describe the restart of a server with many jobs."""
    return (
        f"A server with {replayed.jobs:,} jobs was killed. The next one had loaded all of them {replayed.seconds:.1f} "
        f"s after its start. Its first answer came after {replayed.first_echo:.2f} s, and during the loading an echo "
        f"took at most {replayed.slowest_echo * 1000:.0f} ms. It then used {replayed.rss_mib:,.0f} MiB of memory, "
        f"{replayed.rss_mib * 2**20 / replayed.jobs:,.0f} bytes for each job."
    )


def main() -> int:
    """Measure and print the figures; return 2 if the measurement failed."""
    parser = argparse.ArgumentParser(
        prog="make bench-durable", description="Measure the cost of durable background jobs."
    )
    parser.add_argument("contestant", nargs="*", help=f"some of {', '.join(CONTESTANTS)} (all)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="number of measurements of each (3)")
    parser.add_argument("--jobs", type=int, default=sys.maxsize, metavar="N", help="limit of jobs for each")
    parser.add_argument("--left", type=int, default=1_000_000, metavar="N", help="jobs of the killed server (1000000)")
    parser.add_argument("--write", action="store_true", help=f"write the figures to {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the servers are stopped
    before = os.getloadavg()[0]
    try:
        text = _measure_all(options.contestant or list(CONTESTANTS), options.rounds, options.jobs, options.left)
    except BenchmarkError as error:
        print(f"durable: {error}", file=sys.stderr)
        return 2
    text += f"\n\nMeasured on {describe(before)}; {options.rounds} rounds, {CLIENTS} connections x {DEPTH} submissions."
    text += f" Geartrain is {_BUILD}."
    print(text)
    if options.write:
        fill(PAGE, "figures", f"\n{text}")
        draw(text)
    return 0


def _measure_all(names: Sequence[str], rounds: int, most_jobs: int, left: int) -> str:
    unknown = set(names) - set(CONTESTANTS)
    if unknown:
        raise BenchmarkError(f"the contestants are {', '.join(CONTESTANTS)}; not {', '.join(sorted(unknown))}")
    figures = {name: Figures() for name in names}
    disk: list[float] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        load = compile_load(Path(folder))
        for number in range(1, rounds + 1):
            disk.append(sync_us(Path(folder)))
            for name in list(figures):
                print(f"round {number} of {rounds}: {name}", file=sys.stderr, flush=True)
                try:
                    measure(CONTESTANTS[name], load, most_jobs, figures[name])
                except pytest.skip.Exception as missing:
                    print(f"{name} is skipped: {missing}", file=sys.stderr)
                    del figures[name]
        print(f"restart with {left} jobs", file=sys.stderr, flush=True)
        return f"{table(figures, median(disk))}\n\n{told(replay(load, left))}"


if __name__ == "__main__":
    sys.exit(main())
