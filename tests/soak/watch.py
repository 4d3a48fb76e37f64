# SPDX-License-Identifier: MIT
"""What is measured during a soak, and what has to be flat at its end."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BAND_MIB", "Sample", "descriptors", "growth", "memory_mib"]

BAND_MIB = 8.0  # that the last quarter of a life may be above the second, in memory
_FEWEST = 20  # samples of a life of which a growth can be told


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything.

    Attributes:
        seconds: Since the beginning.
        life: How often the server has been started.
        rate: Jobs done a second since the last look.
        queued: Jobs in the server, or None while it is away.
        memory_mib: What the server takes, or None.
        descriptors: How many it has open, or None.
        others_mib: What those take who are spared.
    """

    seconds: float
    life: int
    rate: float
    queued: int | None
    memory_mib: float | None
    descriptors: int | None
    others_mib: dict[str, float]


def memory_mib(pid: int) -> float | None:
    """Return the memory of a process; None if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors(pid: int) -> int | None:
    """Return how many descriptors a process has; None if it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # names are enough
    except OSError:
        return None


def growth(samples: Sequence[Sample], figure: Callable[[Sample], float | None]) -> float | None:
    """Return by how much a figure has grown in the last life, from its second quarter to its last one.

    The first quarter is left out: caches fill, heaps settle. None if the life was too short to tell.
    """
    life = [value for each in samples if each.life == samples[-1].life and (value := figure(each)) is not None]
    if len(life) < _FEWEST:
        return None
    quarter = len(life) // 4
    return statistics.median(life[-quarter:]) - statistics.median(life[quarter : 2 * quarter])
