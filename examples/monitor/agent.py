# SPDX-License-Identifier: MIT
"""The worker that runs on each machine, and reports its load and its disks."""

import argparse
import os
import socket
import time
from pathlib import Path
from typing import Any

import psutil

from geartrain import JSON, AssignedJob, Worker


def load(job: AssignedJob) -> dict[str, Any]:
    """Return the load, the used memory in percent, and the uptime in seconds."""
    return {
        "load": os.getloadavg(),
        "processors": os.cpu_count(),
        "memory": psutil.virtual_memory().percent,
        "up": time.time() - psutil.boot_time(),
    }


def disk(job: AssignedJob) -> dict[str, Any]:
    """Return the size in bytes and the use in percent of each disk, by its first mount point."""
    mounts = {
        disk.device: disk.mountpoint for disk in reversed(psutil.disk_partitions()) if Path(disk.mountpoint).is_dir()
    }
    usage = {place: psutil.disk_usage(place) for place in sorted({"/", *mounts.values()})}
    return {place: {"size": each.total, "used": each.percent} for place, each in usage.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=socket.gethostname(), help="name of the machine [%(default)s]")
    name = parser.parse_args().name
    # Two jobs at a time: if a disk blocks, as network file systems can, the load can still be queried.
    worker = Worker(client_id=name, codec=JSON, concurrency=2)
    worker.add_function(f"load@{name}", load)
    worker.add_function(f"disk@{name}", disk)
    worker.run()


if __name__ == "__main__":
    main()
