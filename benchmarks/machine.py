# SPDX-License-Identifier: MIT
"""Description of the machine."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

__all__ = ["describe", "redis_version"]


def describe(load: float) -> str:
    """Describe the date, the machine, and the load average before the start."""
    today = datetime.datetime.now(datetime.UTC).date()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{today:%d %B %Y}; {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Linux {_kernel()}, "
        f"Python {platform.python_version()}; load average before the start {load:.1f}"
    )


def redis_version() -> str:
    """Return the version of Redis."""
    done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\S+)", done.stdout)
    return found[1] if found else "of some version"


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _kernel() -> str:
    return ".".join(platform.release().split(".")[:2])
