# SPDX-License-Identifier: MIT
"""A record as one value, which says itself where it ends, so that many can stand one behind the other.

::

    byte     1        which layout this is: 1
    int64    3        number, run-at, retries
    uint8    1        priority
    uint32   7        the lengths of what follows:
    bytes    7        handle, function, unique, workload, reducer, schedule, owner

Most jobs are plain. They are packed without what they do not say, in half the time::

    byte     1        2
    int64    1        number
    uint8    1        priority
    uint32   4        the lengths of what follows:
    bytes    4        handle, function, unique, workload
"""

import struct
from collections.abc import Iterator

from geartrain.jobrecord import JobRecord
from geartrain.storage.store import StoreError

__all__ = ["pack", "unpack", "unpack_all"]

_WHOLE = 1
_PLAIN = 2
_WHOLE_HEAD = struct.Struct(">BqqqB7I")
_PLAIN_HEAD = struct.Struct(">BqB4I")
_HEADS = {_WHOLE: _WHOLE_HEAD, _PLAIN: _PLAIN_HEAD}


def pack(record: JobRecord) -> bytes:
    """Return a record as bytes."""
    number, handle, function, unique, priority, workload, run_at, retries, reducer, schedule, owner = record
    if not (run_at or retries or reducer or schedule or owner):
        head = _PLAIN_HEAD.pack(_PLAIN, number, priority, len(handle), len(function), len(unique), len(workload))
        return head + handle + function + unique + workload
    parts = (handle, function, unique, workload, reducer, schedule, owner.encode())
    return _WHOLE_HEAD.pack(_WHOLE, number, run_at, retries, priority, *map(len, parts)) + b"".join(parts)


def unpack(data: bytes) -> JobRecord:
    """Return the record that `pack` made bytes of.

    Raises:
        StoreError: It did not make these.
    """
    record, end = _unpack_from(data, 0)
    if end != len(data):
        raise StoreError(f"a job of {end} bytes has {len(data)}")
    return record


def unpack_all(data: bytes) -> Iterator[JobRecord]:
    """Yield the records that `pack` made bytes of, which stand one behind the other.

    Raises:
        StoreError: It did not make these.
    """
    end = 0
    while end < len(data):
        record, end = _unpack_from(data, end)
        yield record
    if end != len(data):
        raise StoreError(f"jobs of {end} bytes have {len(data)}")


def _unpack_from(data: bytes, start: int) -> tuple[JobRecord, int]:
    """Return the record that begins there, and where it ends."""
    layout = data[start] if start < len(data) else 0
    if layout not in _HEADS or len(data) < start + _HEADS[layout].size:
        raise StoreError(f"not a job, or one of a later version: {data[start : start + 40]!r}")
    return _unpack_plain(data, start) if layout == _PLAIN else _unpack_whole(data, start)


def _unpack_whole(data: bytes, start: int) -> tuple[JobRecord, int]:
    _, number, run_at, retries, priority, *lengths = _WHOLE_HEAD.unpack_from(data, start)
    parts = []
    end = start + _WHOLE_HEAD.size
    for length in lengths:
        parts.append(data[end : end + length])
        end += length
    handle, function, unique, workload, reducer, schedule, owner = parts
    record = JobRecord(
        number, handle, function, unique, priority, workload, run_at, retries, reducer, schedule, owner.decode()
    )
    return record, end


def _unpack_plain(data: bytes, start: int) -> tuple[JobRecord, int]:
    """As the other, in two thirds of the time: a million of them may come back at once."""
    _, number, priority, of_handle, of_function, of_unique, of_workload = _PLAIN_HEAD.unpack_from(data, start)
    handle = start + _PLAIN_HEAD.size
    function = handle + of_handle
    unique = function + of_function
    workload = unique + of_unique
    end = workload + of_workload
    record = JobRecord(
        number, data[handle:function], data[function:unique], data[unique:workload], priority, data[workload:end]
    )
    return record, end
