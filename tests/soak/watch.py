# SPDX-License-Identifier: MIT
"""Measurements of a soak test, and the growth of memory, which is limited."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BAND_MIB", "Sample", "descriptors", "growth", "memory_mib"]

BAND_MIB = 8.0  # allowed growth of memory from the second to the last quarter of a run
_FEWEST = 20  # samples of a run that are enough to measure growth


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements at one time.

    Attributes:
        seconds: Seconds since the beginning.
        life: Number of starts of the server.
        rate: Completed jobs per second since the last sample.
        queued: Number of jobs in the server, or None while it is down.
        memory_mib: Memory of the server, or None.
        descriptors: Number of its open descriptors, or None.
        others_mib: Memory of the agents that are not disturbed.
    """

    seconds: float
    life: int
    rate: float
    queued: int | None
    memory_mib: float | None
    descriptors: int | None
    others_mib: dict[str, float]


def memory_mib(pid: int) -> float | None:
    """Return the memory of a process in MiB, or None if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors(pid: int) -> int | None:
    """Return the number of descriptors of a process, or None if it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # names are enough
    except OSError:
        return None


def growth(samples: Sequence[Sample], figure: Callable[[Sample], float | None]) -> float | None:
    """Return the growth of a figure in the server's last run, from the second quarter to the last one.

    The first quarter is left out, as caches and heaps grow then. The growth is None if the run was too short.
    """
    life = [value for each in samples if each.life == samples[-1].life and (value := figure(each)) is not None]
    if len(life) < _FEWEST:
        return None
    quarter = len(life) // 4
    return statistics.median(life[-quarter:]) - statistics.median(life[quarter : 2 * quarter])
