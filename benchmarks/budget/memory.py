# SPDX-License-Identifier: MIT
"""Memory of a server: idle, for an idle worker, for a job that is queued, stored or restored."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.load import Workload, give, holding
from benchmarks.measured import running

__all__ = ["measure_memory"]

# A quarter of a million, so that tables which double are as full as with a million.
_JOBS: Final = Workload(jobs=250_000, clients=8, workers=0, depth=32, background=True)
_ONE_MORE: Final = Workload(jobs=1, clients=1, workers=0, background=True)
_WORKERS: Final = 2_000


def measure_memory(command: str, load: Path, folder: Path, say: Callable[[str], None]) -> dict[str, float]:
    """Measure a server.

    Args:
        command: The server's command, without a store.
        load: The load generator.
        folder: A folder for jobs that are stored.
        say: Called with the name of each measurement before it begins.

    Returns:
        KiB of the idle server with the default store; bytes of an idle worker, of a job without a store, of one in the
        default store, and of one read back from there.

    Raises:
        BenchmarkError: The server does not start, or gave a wrong answer.
    """
    in_memory = f"{command} --store=none"
    stored = f"{command} --store={shlex.quote(f'sqlite://{folder}/jobs.db')}"
    say("memory of idle workers")
    with running(in_memory) as server:
        idle = server.rss_mib()
        with holding(load, server, _WORKERS, "idle"):
            workers = server.rss_mib() - idle
    say("memory of queued jobs")
    with running(in_memory) as server:
        queued = give(load, server, _JOBS, "queued").rss_mib - idle
    say("memory of the idle server and of stored jobs")
    with running(stored) as server:
        idle_stored = server.rss_mib()
        durable = give(load, server, _JOBS, "queued").rss_mib - idle_stored
    say("memory of jobs that were read back")
    with running(stored) as server:  # which answers a submission when all jobs are back
        replayed = give(load, server, _ONE_MORE, "queued").rss_mib - idle_stored
    return {
        "idle-server": idle_stored * 2**10,
        "idle-worker": workers * 2**20 / _WORKERS,
        "queued-job": queued * 2**20 / _JOBS.jobs,
        "stored-job": durable * 2**20 / _JOBS.jobs,
        "replayed-job": replayed * 2**20 / _JOBS.jobs,
    }
