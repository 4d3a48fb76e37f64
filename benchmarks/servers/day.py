# SPDX-License-Identifier: MIT
"""A day of Yahoo through one server.

Yahoo ran sixty Gearman servers for six million jobs a day. Here one server of ours gets all of them, in the foreground.
"""

from benchmarks.load import Workload, give
from benchmarks.measured import running
from benchmarks.servers.part import Figure, Figures, Part, Setting

__all__ = ["DAY"]

_JOBS = 6_000_000
_CLIENTS = _WORKERS = 8
_DEPTH = 16


def measure(setting: Setting) -> Figures:
    """Give our server all the jobs, one behind the other."""
    jobs = min(_JOBS, setting.most)
    setting.say(f"{jobs:,} jobs")
    with running(next(iter(setting.servers.values()))) as server:
        before = server.rss_mib()
        workload = Workload(jobs=jobs, clients=_CLIENTS, workers=_WORKERS, depth=_DEPTH)
        run = give(setting.load, server, workload, "day")
    return {
        "jobs": jobs,
        "seconds": jobs / run.rate,
        "cpu_seconds": run.cpu_us * jobs / 1e6,
        "before_mib": before,
        "after_mib": run.rss_mib,
    }


def tell(figures: Figures) -> str:
    """Say how long it took."""
    jobs, seconds = figures["jobs"], figures["seconds"]
    minutes = f" ({seconds / 60:.1f} minutes)" if seconds > 60 else ""
    return (
        f"{jobs:,} foreground jobs of 32 bytes took one server {seconds:.1f} s{minutes}: {jobs / seconds:,.0f} jobs/s, "
        f"from {_CLIENTS} clients with {_DEPTH} jobs each in flight to {_WORKERS} workers and back. The server used "
        f"{figures['cpu_seconds']:.1f} s of CPU, and held {figures['before_mib']:.0f} MiB of memory before and "
        f"{figures['after_mib']:.0f} MiB after."
    )


def picked(figures: Figures) -> dict[str, Figure]:
    """Return the rate, and the CPU for each job."""
    return {
        "a day, jobs/s": Figure(figures["jobs"] / figures["seconds"], less_is_better=False),
        "a day, CPU us/job": Figure(figures["cpu_seconds"] / figures["jobs"] * 1e6, less_is_better=True),
    }


DAY = Part("six million jobs through one server", measure, tell, picked, most_rounds=1, is_alone=True)
