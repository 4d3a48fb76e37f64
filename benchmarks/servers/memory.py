# SPDX-License-Identifier: MIT
"""Memory of a server: idle, for each waiting job, and for each sleeping worker.

Geartrain is measured in each existing build, without a store and with the default store.
"""

from benchmarks.contenders import IN_MEMORY, builds
from benchmarks.load import Workload, give, holding
from benchmarks.measured import BenchmarkError, running
from benchmarks.page import table
from benchmarks.servers.part import Figure, Figures, Part, Setting

__all__ = ["BUILDS", "MEMORY"]

BUILDS = ("compiled", "interpreted")  # names of figures of Geartrain begin with one of these

_JOBS = 1_000_000
_WORKERS = 10_000
WANTED = {"idle_mib": 32.0, "job_bytes": 340.0, "worker_kib": 6.0}
_STORED = " --store=sqlite://{folder}/jobs.db"


def measure(setting: Setting) -> Figures:
    """Measure the builds of Geartrain, and the other servers."""
    _, *others = setting.servers.items()
    commands = {
        f"{build}, {store}": f"{command}{words}"
        for build, command in builds().items()
        for store, words in (("no store", IN_MEMORY), ("default store", _STORED))
    }
    return {title: _weigh(title, command, setting) for title, command in [*commands.items(), *others]}


def _weigh(title: str, command: str, setting: Setting) -> dict[str, float]:
    jobs, workers = min(_JOBS, setting.most), min(_WORKERS, setting.most)
    setting.say(f"memory of {title}")
    try:
        with running(command) as server:
            idle = server.rss_mib()
            with holding(setting.load, server, workers, "sleep"):
                worker_kib = (server.rss_mib() - idle) * 2**10 / workers
        with running(command) as server:
            before = server.rss_mib()
            filling = Workload(jobs=jobs, clients=8, workers=0, depth=32, background=True)
            job_bytes = (give(setting.load, server, filling, "pile").rss_mib - before) * 2**20 / jobs
    except BenchmarkError as error:
        raise BenchmarkError(f"memory of {title}: {error}") from error
    return {"idle_mib": idle, "job_bytes": job_bytes, "worker_kib": worker_kib, "jobs": jobs, "workers": workers}


def tell(figures: Figures) -> str:
    """Format the figures of each server."""
    jobs, workers = (int(next(iter(figures.values()))[name]) for name in ("jobs", "workers"))
    titles = ["memory", "idle, MiB", f"each of {jobs:,} waiting jobs, bytes", f"each of {workers:,} idle workers, KiB"]
    return table(titles, [[_title(build), *_cells(weights)] for build, weights in figures.items()])


def goals(figures: Figures) -> str:
    """Format the memory of each build of Geartrain beside the limits."""
    titles = ["memory", "idle, MiB", "a waiting job, bytes", "an idle worker, KiB"]
    rows = [[_title(build), *_cells(weights)] for build, weights in figures.items() if _is_geartrain(build)]
    return table(titles, [*rows, ["at most", *_cells(WANTED)]])


def _title(build: str) -> str:
    return f"Geartrain, {build}" if _is_geartrain(build) else build


def _is_geartrain(build: str) -> bool:
    return build.startswith(BUILDS)


def _cells(weights: dict[str, float]) -> list[str]:
    return [f"{weights['idle_mib']:.1f}", f"{weights['job_bytes']:.0f}", f"{weights['worker_kib']:.1f}"]


def picked(figures: Figures) -> dict[str, Figure]:
    """Return the figures of Geartrain."""
    return {
        f"{title}, {name}": Figure(weights[name], less_is_better=True)
        for title, weights in figures.items()
        for name in WANTED
        if title.split(", ")[0] in builds()
    }


MEMORY = Part("memory: idle, and for each job and each worker", measure, tell, picked, most_rounds=1, goals=goals)
