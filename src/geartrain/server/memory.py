# SPDX-License-Identifier: MIT
"""The memory of the machine, or of the control group in which the process runs."""

import os
from pathlib import Path

__all__ = ["available_memory"]

# Of the second version and the first; "max" and very large numbers stand for no limit.
_LIMITS = (Path("memory.max"), Path("memory/memory.limit_in_bytes"))


def available_memory(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the smallest limit in bytes.

    Args:
        groups: The folder of the control group.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in _LIMITS:
        try:
            found.append(int((groups / limit).read_text()))
        except (OSError, ValueError):
            continue
    return min(found)
