# SPDX-License-Identifier: MIT
"""The work that is the same for all: a trivial function, which notes when it was called."""

import os
import struct
import time
from functools import cache
from pathlib import Path

from benchmarks.queues.place import Place

__all__ = ["count_stamps", "read_stamps", "reverse"]

_STAMP = struct.Struct("q")  # nanoseconds of the monotonic clock, which is one for all processes of a machine


def reverse(text: str) -> str:
    """Do a job."""
    os.write(_stamps(), _STAMP.pack(time.monotonic_ns()))
    return text[::-1]


@cache
def _stamps() -> int:
    """Return a descriptor that the threads and forked children of a worker can share, as it only appends."""
    return os.open(Place.of_this_process().stamps, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def count_stamps(file: Path) -> int:
    """Return how many jobs have been done so far."""
    return file.stat().st_size // _STAMP.size if file.exists() else 0


def read_stamps(file: Path) -> list[float]:
    """Return when each job was done, in seconds and in order."""
    return sorted(nanoseconds / 1e9 for (nanoseconds,) in _STAMP.iter_unpack(file.read_bytes()))
