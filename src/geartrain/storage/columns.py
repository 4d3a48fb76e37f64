# SPDX-License-Identifier: MIT
"""Records as rows of a table: a column for each plain field, and one for all tagged fields together.

The plain fields can so be read with SQL, and a new tagged field needs no migration.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from geartrain.core.packing import pack_tagged, unpack_tagged
from geartrain.core.record import JobRecord
from geartrain.protocol.limits import INT64_MAX

__all__ = ["COLUMNS", "OLD_COLUMNS", "Row", "from_old_row", "from_row", "to_row"]

COLUMNS = ("number", "handle", "function", "unique", "priority", "workload", "created_at", "tagged")
Row: TypeAlias = tuple[int, bytes, bytes, bytes, int, bytes, int, bytes]
# The first schema of all engines had a column for each field, times in seconds, and an owner that was always empty.
OLD_COLUMNS = (
    "number",
    "handle",
    "function",
    "unique",
    "priority",
    "workload",
    "run_at",
    "retries",
    "reducer",
    "schedule",
)


def to_row(record: JobRecord) -> Row:
    """Return a record as a row.

    Raises:
        OverflowError: A number does not fit into a tagged field.
    """
    return (
        record.number,
        record.handle,
        record.function,
        record.unique,
        record.priority,
        record.workload,
        record.created_at,
        pack_tagged(record),
    )


def from_row(row: Sequence[Any]) -> JobRecord:
    """Return the record that a row is.

    Raises:
        CorruptRecord: The tagged fields are corrupt.
    """
    number, handle, function, unique, priority, workload, created_at, tagged = row
    record = JobRecord(number, handle, function, unique, priority, workload, created_at=created_at)
    if tagged:
        unpack_tagged(record, tagged)
    return record


def from_old_row(row: Sequence[Any]) -> JobRecord:
    """Return the record that a row of the first schema is."""
    number, handle, function, unique, priority, workload, run_at, retries, reducer, schedule = row
    return JobRecord(
        number,
        handle,
        function,
        unique,
        priority,
        workload,
        run_at=min(run_at * 1000, INT64_MAX),
        losses=retries,
        reducer=reducer,
        schedule=schedule,
    )
