# SPDX-License-Identifier: MIT
"""The versioned layout in which every store keeps job records.

A record says by itself where it ends, so many of them can stand one behind the other. Most jobs have plain fields
only::

    uint8    2        layout (3), priority
    int64    2        number, created_at
    uint32   4        lengths of handle, function, unique, workload
    bytes    4        handle, function, unique, workload

Any other record has layout 4: a further ``uint32`` behind the four lengths is the length of all tagged fields, which
stand behind the workload::

    uint8    1        tag
    uint32   1        length
    bytes    1        the value; numbers are an ``int64``

All numbers are big-endian. A field is left out if it has its default. Tags are never given another meaning. A tag that
this version does not know was written by a later one: its field is kept as it is and written back. A field that a
reader must not ignore needs a new layout.

Layouts 1 and 2 are those of Geartrain before there were tagged fields; they are only read.
"""

import struct
from typing import Final

from mypy_extensions import i32, i64

from geartrain.core.record import JobRecord
from geartrain.errors import GeartrainError
from geartrain.protocol._binary import BytesWriter, read_i32_be, read_i64_be, write_i32_be, write_i64_be
from geartrain.protocol.limits import INT64_MAX

__all__ = [
    "TAGS",
    "CorruptRecord",
    "pack",
    "pack_into",
    "pack_plain",
    "pack_tagged",
    "skip",
    "split",
    "unpack",
    "unpack_all",
    "unpack_tagged",
]

_PRIORITIES: Final = 3
_OLD_WHOLE: Final = 1
_OLD_PLAIN: Final = 2
_PLAIN: Final = 3
_TAGGED: Final = 4
_PLAIN_HEAD: Final = 34  # bytes before the handle
_TAGGED_HEAD: Final = 38
_FIELD_HEAD: Final = 5
_LONGEST: Final = 2**31 - 1  # bytes of a field; packets are shorter by far
_OLD_WHOLE_HEAD: Final = struct.Struct(">BqqqB7I")  # layout, number, run_at in seconds, losses, priority, lengths
_OLD_PLAIN_HEAD: Final = struct.Struct(">BqB4I")  # layout, number, priority, lengths

# Tags of numbers.
_RUN_AT: Final = 1
_LOSSES: Final = 2
_FAILURES: Final = 3
_EXPIRES_AT: Final = 4
_DEPTH: Final = 5
_STARTED: Final = 6
# Tags of bytes.
_REDUCER: Final = 16
_SCHEDULE: Final = 17
_TIMEZONE: Final = 18
_KEY: Final = 19
_BATCH: Final = 20
_ORIGIN: Final = 21
_THEN: Final = 22
_ON_FAILURE: Final = 23
_OVERRIDES: Final = 24
_REASON: Final = 25
_ERROR: Final = 26

_NUMBERS: Final[dict[int, str]] = {
    _RUN_AT: "run_at",
    _LOSSES: "losses",
    _FAILURES: "failures",
    _EXPIRES_AT: "expires_at",
    _DEPTH: "depth",
}
_BYTES: Final[dict[int, str]] = {
    _REDUCER: "reducer",
    _SCHEDULE: "schedule",
    _TIMEZONE: "timezone",
    _KEY: "key",
    _BATCH: "batch",
    _ORIGIN: "origin",
    _THEN: "then",
    _ON_FAILURE: "on_failure",
    _OVERRIDES: "overrides",
    _REASON: "reason",
    _ERROR: "error",
}
# The tag of each field that has one.
TAGS: Final[dict[str, int]] = {name: tag for tag, name in (_NUMBERS | {_STARTED: "started"} | _BYTES).items()}


class CorruptRecord(GeartrainError):
    """Bytes that are not a job record, or one of a later layout."""


# Packing.


def pack_plain(
    buffer: BytesWriter,
    number: i64,
    created_at: i64,
    priority: i64,
    handle: bytes,
    function: bytes,
    unique: bytes,
    workload: bytes,
) -> None:
    """Write a record that has plain fields only; see the attributes of `JobRecord`."""
    buffer.append(_PLAIN)
    buffer.append(int(priority))
    write_i64_be(buffer, number)
    write_i64_be(buffer, created_at)
    write_i32_be(buffer, i32(len(handle)))
    write_i32_be(buffer, i32(len(function)))
    write_i32_be(buffer, i32(len(unique)))
    write_i32_be(buffer, i32(len(workload)))
    buffer.write(handle)
    buffer.write(function)
    buffer.write(unique)
    buffer.write(workload)


def pack_into(buffer: BytesWriter, record: JobRecord) -> None:
    """Write a record.

    Raises:
        OverflowError: A number or the length of a field does not fit into the layout.
    """
    handle = record.handle
    function = record.function
    unique = record.unique
    workload = record.workload
    _check(record)
    tagged = pack_tagged(record)
    if not tagged:
        pack_plain(buffer, record.number, record.created_at, record.priority, handle, function, unique, workload)
        return
    buffer.append(_TAGGED)
    buffer.append(record.priority)
    write_i64_be(buffer, record.number)
    write_i64_be(buffer, record.created_at)
    write_i32_be(buffer, i32(len(handle)))
    write_i32_be(buffer, i32(len(function)))
    write_i32_be(buffer, i32(len(unique)))
    write_i32_be(buffer, i32(len(workload)))
    write_i32_be(buffer, i32(len(tagged)))
    buffer.write(handle)
    buffer.write(function)
    buffer.write(unique)
    buffer.write(workload)
    buffer.write(tagged)


def pack(record: JobRecord) -> bytes:
    """Return a record as bytes; see `pack_into`."""
    buffer = BytesWriter()
    pack_into(buffer, record)
    return buffer.getvalue()


def _check(record: JobRecord) -> None:
    """Reject values that native integers would silently cut off."""
    if not 0 <= record.priority < _PRIORITIES:
        raise OverflowError(f"a priority of a job is 0, 1 or 2, not {record.priority}")
    for value in (record.handle, record.function, record.unique, record.workload):
        if len(value) > _LONGEST:
            raise OverflowError(f"a field of a job has at most {_LONGEST} bytes, not {len(value)}")
    for number in (record.number, record.created_at):
        if not -INT64_MAX <= number <= INT64_MAX:
            raise OverflowError(f"a number of a job has at most 63 bits, not {number}")


def pack_tagged(record: JobRecord) -> bytes:
    """Return the tagged fields of a record, for a store that has a column for each plain field.

    Raises:
        OverflowError: A number does not fit into the layout.
    """
    buffer = BytesWriter()
    _write_number(buffer, _RUN_AT, record.run_at)
    _write_number(buffer, _LOSSES, record.losses)
    _write_number(buffer, _FAILURES, record.failures)
    _write_number(buffer, _EXPIRES_AT, record.expires_at)
    _write_number(buffer, _DEPTH, record.depth)
    _write_number(buffer, _STARTED, int(record.started))
    _write_bytes(buffer, _REDUCER, record.reducer)
    _write_bytes(buffer, _SCHEDULE, record.schedule)
    _write_bytes(buffer, _TIMEZONE, record.timezone)
    _write_bytes(buffer, _KEY, record.key)
    _write_bytes(buffer, _BATCH, record.batch)
    _write_bytes(buffer, _ORIGIN, record.origin)
    _write_bytes(buffer, _THEN, record.then)
    _write_bytes(buffer, _ON_FAILURE, record.on_failure)
    _write_bytes(buffer, _OVERRIDES, record.overrides)
    _write_bytes(buffer, _REASON, record.reason)
    _write_bytes(buffer, _ERROR, record.error)
    for tag, value in record.unknown:
        _write_field(buffer, tag, value)
    return buffer.getvalue()


def _write_number(buffer: BytesWriter, tag: int, value: int) -> None:
    if value:
        if not -INT64_MAX <= value <= INT64_MAX:
            raise OverflowError(f"a number of a job has at most 63 bits, not {value}")
        buffer.append(tag)
        write_i32_be(buffer, 8)
        write_i64_be(buffer, value)


def _write_bytes(buffer: BytesWriter, tag: int, value: bytes) -> None:
    if value:
        _write_field(buffer, tag, value)


def _write_field(buffer: BytesWriter, tag: int, value: bytes) -> None:
    buffer.append(tag)
    write_i32_be(buffer, i32(len(value)))
    buffer.write(value)


# Unpacking.


def unpack(data: bytes) -> JobRecord:
    """Return the record that ``data`` encodes.

    Raises:
        CorruptRecord: They are not exactly one record.
    """
    end: i64 = _end(data, 0)
    if end != len(data):
        raise CorruptRecord(f"a job of {end} bytes has {len(data)}")
    return _unpack_at(data, 0)


def unpack_all(data: bytes) -> list[JobRecord]:
    """Return all records in ``data``, which follow each other without gaps.

    Raises:
        CorruptRecord: They are not whole records.
    """
    records: list[JobRecord] = []
    size: i64 = len(data)
    start: i64 = 0
    while start < size:
        end = _end(data, start)
        records.append(_unpack_at(data, start))
        start = end
    return records


def split(data: bytes) -> list[bytes]:
    """Split joined records without unpacking them.

    Raises:
        CorruptRecord: They are not whole records.
    """
    records: list[bytes] = []
    size: i64 = len(data)
    start: i64 = 0
    while start < size:
        end = _end(data, start)
        records.append(data[start:end])
        start = end
    return records


def skip(data: bytes, start: i64, count: i64) -> i64:
    """Return where the next record begins behind ``count`` of them, the first of which begins at ``start``.

    Raises:
        CorruptRecord: They are not whole records.
    """
    while count > 0:
        start = _end(data, start)
        count -= 1
    return start


def _end(data: bytes, start: i64) -> i64:
    """Return the offset after the record at ``start``, and check that all of it is there."""
    size: i64 = len(data)
    layout: i64 = data[start] if start < size else 0
    end: i64
    if layout == _PLAIN and size - start >= _PLAIN_HEAD:
        end = start + _PLAIN_HEAD + _lengths(data, start + 18, 4)
    elif layout == _TAGGED and size - start >= _TAGGED_HEAD:
        end = start + _TAGGED_HEAD + _lengths(data, start + 18, 5)
    elif layout == _OLD_PLAIN and size - start >= _OLD_PLAIN_HEAD.size:
        end = start + _OLD_PLAIN_HEAD.size + _lengths(data, start + 10, 4)
    elif layout == _OLD_WHOLE and size - start >= _OLD_WHOLE_HEAD.size:
        end = start + _OLD_WHOLE_HEAD.size + _lengths(data, start + 26, 7)
    else:
        raise CorruptRecord(f"not a job, or one of a later version: {data[start : start + 40]!r}")
    if end > size:
        raise CorruptRecord(f"a job of {end - start} bytes ends after {size - start}")
    return end


def _lengths(data: bytes, start: i64, count: i64) -> i64:
    """Return the sum of ``count`` lengths."""
    total: i64 = 0
    while count > 0:
        length = read_i32_be(data, start)
        if length < 0:
            raise CorruptRecord(f"invalid length of a field: {data[start : start + 4]!r}")
        total += i64(length)
        start += 4
        count -= 1
    return total


def _unpack_at(data: bytes, start: i64) -> JobRecord:
    """Return the record that begins at ``start``; `_end` has made sure that all of it is there."""
    layout: i64 = data[start]
    if layout < _PLAIN:
        return _unpack_old(data, start)
    priority: i64 = data[start + 1]
    if priority >= _PRIORITIES:
        raise CorruptRecord(f"invalid priority of a job: {priority}")
    handle: i64 = start + (_PLAIN_HEAD if layout == _PLAIN else _TAGGED_HEAD)
    function: i64 = handle + i64(read_i32_be(data, start + 18))
    unique: i64 = function + i64(read_i32_be(data, start + 22))
    workload: i64 = unique + i64(read_i32_be(data, start + 26))
    end: i64 = workload + i64(read_i32_be(data, start + 30))
    record = JobRecord(
        read_i64_be(data, start + 2),
        data[handle:function],
        data[function:unique],
        data[unique:workload],
        priority,
        data[workload:end],
        created_at=read_i64_be(data, start + 10),
    )
    if layout == _TAGGED:
        unpack_tagged(record, data[end : end + i64(read_i32_be(data, start + 34))])
    return record


def unpack_tagged(record: JobRecord, data: bytes) -> None:
    """Set the tagged fields of a record.

    Raises:
        CorruptRecord: The bytes are not tagged fields.
    """
    unknown: list[tuple[int, bytes]] = []
    start: i64 = 0
    size: i64 = len(data)
    while start < size:
        length: i64 = i64(read_i32_be(data, start + 1)) if size - start >= _FIELD_HEAD else -1
        end: i64 = start + _FIELD_HEAD + length
        if length < 0 or end > size:
            raise CorruptRecord(f"invalid tagged field of a job: {data[start : start + 40]!r}")
        tag = data[start]
        value = data[start + _FIELD_HEAD : end]
        if tag in _BYTES:
            setattr(record, _BYTES[tag], value)
        elif tag in _NUMBERS:
            setattr(record, _NUMBERS[tag], _number(value))
        elif tag == _STARTED:
            record.started = bool(_number(value))
        else:
            unknown.append((tag, value))
        start = end
    record.unknown = tuple(unknown)


def _number(value: bytes) -> int:
    if len(value) != 8:
        raise CorruptRecord(f"invalid number of a job: {value[:40]!r}")
    return read_i64_be(value, 0)


def _unpack_old(data: bytes, start: int) -> JobRecord:
    """Return a record of layout 1 or 2."""
    if data[start] == _OLD_PLAIN:
        _, number, priority, *lengths = _OLD_PLAIN_HEAD.unpack_from(data, start)
        run_at, losses = 0, 0
        end = start + _OLD_PLAIN_HEAD.size
    else:
        _, number, run_at, losses, priority, *lengths = _OLD_WHOLE_HEAD.unpack_from(data, start)
        end = start + _OLD_WHOLE_HEAD.size
    if priority >= _PRIORITIES:
        raise CorruptRecord(f"invalid priority of a job: {priority}")
    parts: list[bytes] = []
    for length in lengths:
        parts.append(data[end : end + length])
        end += length
    handle, function, unique, workload = parts[:4]
    record = JobRecord(number, handle, function, unique, priority, workload)
    if len(parts) > 4:  # the last part was the owner, which was always empty
        record.run_at = min(run_at * 1000, INT64_MAX)
        record.losses = losses
        record.reducer = parts[4]
        record.schedule = parts[5]
    return record
