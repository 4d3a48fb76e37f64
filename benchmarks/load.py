# SPDX-License-Identifier: MIT
"""Load generator ``load.c``, which checks every answer, and the minimal server ``floor.c``."""

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
    """Work for a server.

    Attributes:
        jobs: The number of jobs.
        clients: Connections that submit them; without clients, workers take queued jobs.
        workers: Connections that do them.
        depth: Jobs in flight for each client: until the result; in background, until JOB_CREATED.
        size: Bytes of a workload and of a result.
        background: No client waits for the results.
        unique: Each job has its own unique.
        functions: The number of functions of the jobs, in turn; the workers share them.
        chunks: Packets of data before each result, each of that size.
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
        p50_us: The median latency, if one job at a time is in flight.
        p90_us: The latency that one job in ten exceeds.
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
    """Compile ``load.c``, and return the path of the program."""
    return _compile("load", folder)


def compile_floor(folder: Path) -> str:
    """Compile ``floor.c``, a server that does only what these workloads need, and return its command."""
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
    """Run a workload on a server, and return the measurement.

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
    """Keep idle workers connected during a block."""
    with _started(load, server, Workload(jobs=1, clients=0, workers=workers), function, "hold=1"):
        yield


@contextlib.contextmanager
def _started(
    load: Path, server: MeasuredServer, workload: Workload, function: str, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """Start a load generator, and wait until all its connections are made; that is not measured."""
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
