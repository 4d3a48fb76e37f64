# SPDX-License-Identifier: MIT
"""Schemas of SQLite files, and the migration of files of earlier versions.

1. A row for each job, with a column for each field.
2. A row for each job with one packed value, and bundles of up to a thousand.
3. The same with smaller bundles, whose records are in layout 3 or 4, and the view `stored_jobs`.

A migration reads the jobs of an earlier schema in the order of their numbers, and stores them as a server would. It is
one transaction of the caller's.
"""

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter

from geartrain.core.changes import PutNew
from geartrain.core.packing import pack, unpack, unpack_all
from geartrain.core.record import JobRecord
from geartrain.storage.bundles import TABLES, JobTables
from geartrain.storage.columns import OLD_COLUMNS, from_old_row
from geartrain.storage.sqlite_view import VIEW
from geartrain.storage.store import CHUNK

__all__ = ["NEWEST", "migrate", "version_of"]

NEWEST = 3
_FACTS = "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema of a file, or 0 if it has none of ours."""
    version: int
    ((version,),) = connection.execute("PRAGMA user_version")
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file to the newest schema, or create the tables of a new one.

    Raises:
        CorruptRecord: A job cannot be read.
        OverflowError: A job has a value that no job has.
    """
    old_tables, old_records = _OLD[version]
    for table in old_tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in (*TABLES, _FACTS):
        connection.execute(statement)
    if old_records is not None:
        _store(connection, old_records(connection))
    for table in old_tables:
        connection.execute(f"DROP TABLE old_{table}")
    connection.execute(VIEW)
    connection.execute(f"PRAGMA user_version = {NEWEST}")


def _store(connection: sqlite3.Connection, records: Iterable[JobRecord]) -> None:
    tables = JobTables(connection)
    left = iter(records)
    while portion := [*islice(left, CHUNK)]:
        tables.put_new(PutNew([record.number for record in portion], b"".join(map(pack, portion))))


def _records_1(connection: sqlite3.Connection) -> Iterator[JobRecord]:
    names = ", ".join(f'"{name}"' for name in OLD_COLUMNS)
    return map(from_old_row, connection.execute(f"SELECT {names} FROM old_jobs ORDER BY number"))  # noqa: S608


def _records_2(connection: sqlite3.Connection) -> Iterator[JobRecord]:
    return heapq.merge(_rows_2(connection), _bundled_2(connection), key=attrgetter("number"))


def _rows_2(connection: sqlite3.Connection) -> Iterator[JobRecord]:
    for (packed,) in connection.execute("SELECT packed FROM old_jobs ORDER BY number"):
        yield unpack(packed)


def _bundled_2(connection: sqlite3.Connection) -> Iterator[JobRecord]:
    for first, kept, packed in connection.execute(
        "SELECT first, kept, packed FROM old_marks JOIN old_bundles USING (last) ORDER BY last"
    ):
        for record in unpack_all(packed):
            if kept[record.number - first]:
                yield record


# For each schema its tables of jobs, and a function that reads them when they have been renamed.
_OLD: dict[int, tuple[tuple[str, ...], Callable[[sqlite3.Connection], Iterator[JobRecord]] | None]] = {
    0: ((), None),
    1: (("jobs",), _records_1),
    2: (("jobs", "bundles", "marks"), _records_2),
}
