# SPDX-License-Identifier: MIT
"""The worker that runs on each machine, and says how the machine is to whoever asks for it by name."""

import argparse
import os
import socket
import time
from pathlib import Path
from typing import Any

import psutil

from geartrain import JSON, AssignedJob, Worker


def load(job: AssignedJob) -> dict[str, Any]:
    """Return the load, the memory in use in percent, and for how many seconds the machine has been up."""
    return {
        "load": os.getloadavg(),
        "processors": os.cpu_count(),
        "memory": psutil.virtual_memory().percent,
        "up": time.time() - psutil.boot_time(),
    }


def disk(job: AssignedJob) -> dict[str, Any]:
    """Return the size in bytes and the use in percent of each disk, by where it is mounted first."""
    mounts = {
        disk.device: disk.mountpoint for disk in reversed(psutil.disk_partitions()) if Path(disk.mountpoint).is_dir()
    }
    usage = {place: psutil.disk_usage(place) for place in sorted({"/", *mounts.values()})}
    return {place: {"size": each.total, "used": each.percent} for place, each in usage.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=socket.gethostname(), help="what the machine is called [%(default)s]")
    name = parser.parse_args().name
    # Two at a time: a disk that does not answer, as network file systems do, leaves the load to be asked for.
    worker = Worker(client_id=name, codec=JSON, concurrency=2)
    worker.add_function(f"load@{name}", load)
    worker.add_function(f"disk@{name}", disk)
    worker.run()


if __name__ == "__main__":
    main()
