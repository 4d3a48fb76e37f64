# SPDX-License-Identifier: MIT
"""Measure our gearmand and Debian's on the same work, in turn, and print how they compare.

Both servers run side by side, and each workload goes to one and then at once to the other: what else the machine does
then hits both alike. Every round begins with fresh servers and changes who goes first. The result of a workload is the
median of the ratios of its rounds; the absolute figures say more about the machine than about the servers.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

# In memory, as gearmand keeps its jobs.
OURS = (
    f"{sys.executable} -m geartrain.cli.gearmand --config-file={os.devnull} --port={{port}} --listen=127.0.0.1"
    " --store=none"
)
THEIRS = "/usr/sbin/gearmand --port={port} --listen=127.0.0.1 --log-file=none"

LOAD_SOURCE = Path(__file__).with_name("load.c")

_PATIENCE = 20.0  # seconds for a server to start, or to end when asked
_BUSY = 0.5  # a load average above which others are at work on the machine


class BenchmarkError(Exception):
    """Nothing was measured, and this is why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a server is given to do.

    Attributes:
        jobs: How many jobs.
        clients: Connections that submit them.
        workers: Connections that do them.
        depth: Jobs that each client keeps in flight: until its result has come; in background, until it is created.
        size: Bytes of a workload and of a result.
        background: Nobody waits for the results.
        unique: Each job has a unique of its own.
        queue: The workload whose jobs are taken up, where there are no clients.
        floor: The ratio of jobs/s that we do not want to fall below.
    """

    jobs: int
    clients: int
    workers: int
    depth: int = 1
    size: int = 32
    background: bool = False
    unique: bool = False
    queue: str = ""
    floor: float = 0.8


# In the order in which they run.
WORKLOADS = {
    "roundtrip": Workload(jobs=10_000, clients=1, workers=1),
    "foreground": Workload(jobs=100_000, clients=8, workers=8, depth=16, floor=1.3),
    "crowd": Workload(jobs=100_000, clients=50, workers=50, depth=20),
    "4k": Workload(jobs=50_000, clients=8, workers=8, depth=16, size=4096, floor=1.5),
    "herd": Workload(jobs=1_000, clients=1, workers=500, floor=10),
    "background": Workload(jobs=200_000, clients=8, workers=0, depth=32, background=True),
    "drain": Workload(jobs=200_000, clients=0, workers=8, queue="background", floor=3),
    "unique": Workload(jobs=100_000, clients=8, workers=8, depth=32, background=True, unique=True),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One workload on one server.

    Attributes:
        rate: Jobs per second.
        cpu_us: CPU that the server used for a job, in microseconds.
        rss_mib: Memory of the server after it.
        p50_us: The middle one of the latencies, where one job at a time is in flight.
        p99_us: The latency that one job in a hundred exceeds, likewise.
    """

    rate: float
    cpu_us: float
    rss_mib: float
    p50_us: float | None = None
    p99_us: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs of one workload, a pair of them for each round."""

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
        pairs = zip(self.ours, self.theirs, strict=True)
        return median(theirs.cpu_us / ours.cpu_us if ours.cpu_us else 1.0 for ours, theirs in pairs)

    @property
    def misses_floor(self) -> bool:
        """Whether ours is slower than we want it to be."""
        return self.ratio < WORKLOADS[self.name].floor


# Running a server.


class MeasuredServer:
    """A server process with a port of its own."""

    def __init__(self, pid: int, port: int) -> None:
        self.port = port
        self._pid = pid

    def cpu_seconds(self) -> float:
        """The CPU that it has used."""
        return sum(_cpu_ticks(pid) for pid in _family(self._pid)) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        """The memory that it holds."""
        return sum(_rss_kib(pid) for pid in _family(self._pid)) / 1024


@contextlib.contextmanager
def running(command: str) -> Iterator[MeasuredServer]:
    """Run a server in a temporary folder, on a free port of this machine, for the length of a block."""
    port = _free_port()
    words = shlex.split(command.format(port=port))
    if shutil.which(words[0]) is None:
        raise BenchmarkError(
            f"there is no {words[0]} to measure; Debian's server comes with: apt-get install gearman-job-server"
        )
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, (Path(folder) / "log").open("w+b") as log:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GEARMAND_")}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            if not _listens(process, port):
                log.seek(0)
                raise BenchmarkError(f"this did not start to listen: {command}\n{log.read().decode(errors='replace')}")
            yield MeasuredServer(process.pid, port)
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a server can be reached; tell whether it can."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), _PATIENCE).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid] + [descendant for child in children for descendant in _family(int(child))]


def _cpu_ticks(pid: int) -> int:
    """User and system time of all threads: fields 14 and 15; the name in field 2 may contain spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _rss_kib(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


# Giving it work.


def compile_load(folder: Path) -> Path:
    """Make a program of ``load.c``."""
    program = folder / "load"
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchmarkError("the load generator needs a C compiler, named cc: apt-get install gcc libc6-dev")
    done = subprocess.run([compiler, "-O2", "-o", program, LOAD_SOURCE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"cc cannot compile the load generator:\n{done.stderr}")
    return program


def measure(load: Path, server: MeasuredServer, name: str, most_jobs: int) -> Run:
    """Give a server one of the workloads, and return what it made of it."""
    workload = WORKLOADS[name]
    jobs = min(workload.jobs, most_jobs)
    return give(load, server, replace(workload, jobs=jobs), workload.queue or name)  # none meets jobs of another


def give(load: Path, server: MeasuredServer, workload: Workload, function: str) -> Run:
    """Give a server work for a function, and return what it made of it."""
    options = {
        "port": server.port,
        "function": function,
        "clients": workload.clients,
        "workers": workload.workers,
        "depth": workload.depth,
        "jobs": workload.jobs,
        "bytes": workload.size,
        "background": int(workload.background),
        "unique": int(workload.unique),
    }
    words = [f"{option}={value}" for option, value in options.items()]
    pipe = subprocess.PIPE
    with subprocess.Popen([load, *words], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        try:
            process.stdout.readline()  # "ready": that all connect and the workers fall asleep is not measured
            cpu_before = server.cpu_seconds()
            with contextlib.suppress(BrokenPipeError):  # it says below why it has ended
                print("go", file=process.stdin, flush=True)
            line = process.stdout.readline()
            cpu = server.cpu_seconds() - cpu_before
            _, error = process.communicate()
        finally:
            process.kill()
    if process.returncode:
        raise BenchmarkError(error.strip() or f"the load generator ended with status {process.returncode}")
    result = json.loads(line)
    return Run(
        rate=workload.jobs / result["seconds"],
        cpu_us=cpu / workload.jobs * 1e6,
        rss_mib=server.rss_mib(),
        p50_us=result.get("p50_us"),
        p99_us=result.get("p99_us"),
    )


def compare(
    commands: dict[str, str], names: Sequence[str], *, rounds: int, most_jobs: int, load: Path
) -> list[Comparison]:
    """Run the workloads, round by round, on both servers in turn."""
    comparisons = [Comparison(name, [], []) for name in names]
    for number in range(rounds):
        with running(commands["ours"]) as ours, running(commands["theirs"]) as theirs:
            for comparison in comparisons:
                turns = [("ours", ours, comparison.ours), ("theirs", theirs, comparison.theirs)]
                for side, server, runs in turns if number % 2 == 0 else reversed(turns):
                    _say(f"round {number + 1} of {rounds}: {comparison.name}, {side}")
                    try:
                        runs.append(measure(load, server, comparison.name, most_jobs))
                    except BenchmarkError as error:
                        raise BenchmarkError(f"{comparison.name}, {side}: {error}") from error
    return comparisons


def _say(what: str) -> None:
    """Tell who waits at a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r{what:60}\r", end="", file=sys.stderr, flush=True)


# Telling how it went.

_HEAD = f"""\
{"":10}   {"jobs/s":^17}   {"ratio":^16}   {"CPU us/job":^13}   ratio   {"p50/p99 us":^21}   {"RSS MiB":^9}
{"workload":10}   {"ours":>8} {"theirs":>8}   {"median (range)":^16}   {"ours":>6} {"theirs":>6}   {"":5}   \
{"ours":>10} {"theirs":>10}   {"ours":>4} {"theirs":>6}
"""


def table(comparisons: Sequence[Comparison]) -> str:
    """Lay the comparisons out for a reader."""
    return _HEAD + "".join(map(_row, comparisons))


def _row(comparison: Comparison) -> str:
    ours, theirs = _medians(comparison.ours), _medians(comparison.theirs)
    ratios = comparison.ratios
    span = f"({min(ratios):.2f}-{max(ratios):.2f})"
    return (
        f"{comparison.name:10}   {ours.rate:8.0f} {theirs.rate:8.0f}   {comparison.ratio:5.2f} {span:10}"
        f"   {ours.cpu_us:6.1f} {theirs.cpu_us:6.1f}   {comparison.cpu_ratio:5.2f}"
        f"   {_latencies(ours):>10} {_latencies(theirs):>10}   {ours.rss_mib:4.0f} {theirs.rss_mib:6.0f}"
    ).rstrip() + "\n"


def _medians(runs: Sequence[Run]) -> Run:
    values: list[dict[str, Any]] = [asdict(run) for run in runs]
    return Run(**{name: median(value[name] for value in values) for name, one in values[0].items() if one is not None})


def _latencies(run: Run) -> str:
    return "" if run.p50_us is None or run.p99_us is None else f"{run.p50_us:.0f}/{run.p99_us:.0f}"


def as_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return all that was measured, run by run, and the ratios."""
    return {
        comparison.name: {
            "ratio": comparison.ratio,
            "cpu_ratio": comparison.cpu_ratio,
            "floor": WORKLOADS[comparison.name].floor,
            "ours": [asdict(run) for run in comparison.ours],
            "theirs": [asdict(run) for run in comparison.theirs],
        }
        for comparison in comparisons
    }


def main() -> int:
    """Run the command; 0 is fine, 1 a ratio below its floor, 2 that nothing could be measured."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the servers are ended
    load_average = os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            comparisons = compare(
                {"ours": options.ours, "theirs": options.theirs},
                _in_order(options.workload),
                rounds=options.rounds,
                most_jobs=options.jobs,
                load=compile_load(Path(folder)),
            )
    except BenchmarkError as error:
        print(f"against_gearmand: {error}", file=sys.stderr)
        return 2
    _say("")
    print(table(comparisons), end="")
    if load_average > _BUSY:
        print(
            f"\nOthers were at work on this machine (load average {load_average:.1f}): measure again when it is quiet."
        )
    if options.json:
        options.json.write_text(json.dumps(as_json(comparisons), indent=2) + "\n")
    return _check(comparisons) if options.check else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Measure our gearmand and Debian's on the same work, in turn.",
        epilog="Ratios above 1 mean that ours is better. A command stays in the foreground and listens on {port}.",
    )
    parser.add_argument("workload", nargs="*", help=f"one or more of {', '.join(WORKLOADS)}; all without")
    parser.add_argument("--rounds", type=_positive, default=3, metavar="N", help="how often to measure each pair (3)")
    parser.add_argument("--jobs", type=_positive, default=sys.maxsize, metavar="N", help="at most so many per workload")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument("--ours", default=OURS, metavar="COMMAND", help="another server in place of ours")
    parser.add_argument("--theirs", default=THEIRS, metavar="COMMAND", help="another server in place of Debian's")
    parser.add_argument("--check", action="store_true", help="fail when a ratio is below its floor")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _in_order(chosen: Sequence[str]) -> list[str]:
    """Return the chosen workloads as they run, with those whose jobs they take up."""
    unknown = set(chosen) - set(WORKLOADS)
    if unknown:
        raise BenchmarkError(f"the workloads are {', '.join(WORKLOADS)}; not {', '.join(sorted(unknown))}")
    wanted = set(chosen or WORKLOADS)
    wanted |= {WORKLOADS[name].queue for name in wanted}
    return [name for name in WORKLOADS if name in wanted]


def _check(comparisons: Sequence[Comparison]) -> int:
    misses = [comparison for comparison in comparisons if comparison.misses_floor]
    for miss in misses:
        print(f"{miss.name}: a ratio of {miss.ratio:.2f} is below the floor of {WORKLOADS[miss.name].floor}")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
