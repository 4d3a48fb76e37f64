# SPDX-License-Identifier: MIT
"""Work for a server, from the program in ``load.c``, which checks every answer; and the least that it asks of any."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import BenchmarkError, MeasuredServer

__all__ = ["Run", "Workload", "compile_floor", "compile_load", "give", "holding"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a server is given to do.

    Attributes:
        jobs: How many jobs.
        clients: Connections that submit them; without any, jobs are taken that are there already.
        workers: Connections that do them.
        depth: Jobs that each client keeps in flight: until its result has come; in background, until it is created.
        size: Bytes of a workload and of a result.
        background: Nobody waits for the results.
        unique: Each job has a unique of its own.
        functions: To how many the jobs go, one after the other; the workers share them out among them.
        chunks: Packets of data before each result, as long as that.
    """

    jobs: int
    clients: int
    workers: int
    depth: int = 1
    size: int = 32
    background: bool = False
    unique: bool = False
    functions: int = 1
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One workload on one server.

    Attributes:
        rate: Jobs per second.
        cpu_us: CPU that the server used for a job, in microseconds.
        rss_mib: Memory of the server after it.
        p50_us: The middle one of the latencies, where one job at a time is in flight.
        p90_us: The latency that one job in ten exceeds, likewise.
        p99_us: One in a hundred.
        p999_us: One in a thousand.
    """

    rate: float
    cpu_us: float
    rss_mib: float
    p50_us: float | None = None
    p90_us: float | None = None
    p99_us: float | None = None
    p999_us: float | None = None


def compile_load(folder: Path) -> Path:
    """Make a program of ``load.c``, and return where it is."""
    return _compile("load", folder)


def compile_floor(folder: Path) -> str:
    """Make a program of ``floor.c``, a server that does no more than these workloads need, and return its command."""
    return f"{_compile('floor', folder)} {{port}}"


def _compile(name: str, folder: Path) -> Path:
    program = folder / name
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchmarkError(f"{name}.c needs a C compiler, named cc: apt-get install gcc libc6-dev")
    done = subprocess.run(
        [compiler, "-O2", "-o", program, HERE / f"{name}.c"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"cc cannot compile {name}.c:\n{done.stderr}")
    return program


def give(
    load: Path,
    server: MeasuredServer,
    workload: Workload,
    function: str,
    *,
    while_working: AbstractContextManager[object] | None = None,
) -> Run:
    """Give a server work for a function, and return what it made of it.

    Args:
        load: The load generator.
        server: The server.
        workload: The work.
        function: The Gearman function of its jobs.
        while_working: Entered when all clients and workers are connected, and left when the work is done.

    Raises:
        BenchmarkError: The server gave a wrong answer, or none.
    """
    with _started(load, server, workload, function) as process:
        assert process.stdin is not None, "it is a pipe"
        assert process.stdout is not None, "it is a pipe"
        with while_working or contextlib.nullcontext():
            cpu_before = server.cpu_seconds()
            print("go", file=process.stdin, flush=True)
            line = process.stdout.readline()
            cpu = server.cpu_seconds() - cpu_before
        rss_mib = server.rss_mib()
        _, error = process.communicate()
    if process.returncode:
        raise BenchmarkError(_reason(process, error))
    result = json.loads(line)
    return Run(
        rate=workload.jobs / result["seconds"],
        cpu_us=cpu / workload.jobs * 1e6,
        rss_mib=rss_mib,
        p50_us=result.get("p50_us"),
        p90_us=result.get("p90_us"),
        p99_us=result.get("p99_us"),
        p999_us=result.get("p999_us"),
    )


@contextlib.contextmanager
def holding(load: Path, server: MeasuredServer, workers: int, function: str) -> Iterator[None]:
    """Let workers sleep for a function for the length of a block."""
    with _started(load, server, Workload(jobs=1, clients=0, workers=workers), function, "hold=1"):
        yield


@contextlib.contextmanager
def _started(
    load: Path, server: MeasuredServer, workload: Workload, function: str, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """Have a load generator connect; return when it waits for a word. That all connect is not measured."""
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
        "functions": workload.functions,
        "chunks": workload.chunks,
    }
    words = [f"{option}={value}" for option, value in options.items()]
    pipe = subprocess.PIPE
    with subprocess.Popen([load, *words, *more], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None, "it is a pipe"
        try:
            if process.stdout.readline() != "ready\n":
                raise BenchmarkError(_reason(process, process.communicate()[1]))
            yield process
        finally:
            process.kill()


def _reason(process: subprocess.Popen[str], error: str) -> str:
    return error.strip() or f"the load generator ended with status {process.returncode}"
