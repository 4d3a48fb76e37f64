# SPDX-License-Identifier: MIT
"""A record as one value, for stores that know no columns.

::

    byte     1        which layout this is
    int64    3        number, run-at, retries
    uint8    1        priority
    uint32   7        the lengths of what follows:
    bytes    7        handle, function, unique, workload, reducer, schedule, owner
"""

import struct

from geartrain.jobrecord import JobRecord
from geartrain.storage.store import StoreError

__all__ = ["pack", "unpack"]

_LAYOUT = 1
_HEAD = struct.Struct(">BqqqB7I")


def pack(record: JobRecord) -> bytes:
    """Return a record as bytes."""
    number, handle, function, unique, priority, workload, run_at, retries, reducer, schedule, owner = record
    parts = (handle, function, unique, workload, reducer, schedule, owner.encode())
    return _HEAD.pack(_LAYOUT, number, run_at, retries, priority, *map(len, parts)) + b"".join(parts)


def unpack(data: bytes) -> JobRecord:
    """Return the record that `pack` made bytes of.

    Raises:
        StoreError: It did not make these.
    """
    if len(data) < _HEAD.size or data[0] != _LAYOUT:
        raise StoreError(f"not a job, or one of a later version: {data[:40]!r}")
    _, number, run_at, retries, priority, *lengths = _HEAD.unpack_from(data)
    parts = []
    start = _HEAD.size
    for length in lengths:
        parts.append(data[start : start + length])
        start += length
    if start != len(data):
        raise StoreError(f"a job of {start} bytes has {len(data)}")
    handle, function, unique, workload, reducer, schedule, owner = parts
    return JobRecord(
        number, handle, function, unique, priority, workload, run_at, retries, reducer, schedule, owner.decode()
    )
