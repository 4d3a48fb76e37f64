# SPDX-License-Identifier: MIT
"""Tables of the SQLite store: a job has its own row, or shares a bundle with some hundred others.

To bind the values of a row and to insert it takes longer than all else that a store does for a job. So jobs that come
in great numbers are bundled: one value holds all of them as they were packed, and a bitmap, a byte for each number
from the first to the last, has a 1 for each job that has not ended.

- A bundle takes only numbers above all others, so that no two overlap, and a number leads to at most one bundle.
- Transient numbers (see `geartrain.core.numbers`) have rows, and do not count as above all others.
- A job that is stored again, as it lost its worker, leaves its bundle for a row.
- A bundle is deleted with the last of its jobs. When only few are left they get rows, so that ended jobs leave the
  file.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeVar

from geartrain.core.changes import PutNew
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import pack, skip, split, unpack, unpack_all
from geartrain.core.record import JobRecord
from geartrain.storage.store import CHUNK, CHUNK_WEIGHT

__all__ = ["TABLES", "JobTables"]

T = TypeVar("T")

TABLES = (
    "CREATE TABLE jobs (number INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
    "CREATE TABLE bundles (last INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
    # Apart from the bundles, as SQLite writes all of a row again when any of it changes.
    """CREATE TABLE bitmaps (
        last INTEGER PRIMARY KEY, first INTEGER NOT NULL, jobs INTEGER NOT NULL, live BLOB NOT NULL
    )""",
)

_FEWEST = 32  # jobs that are worth a bundle
# Jobs and bytes in a bundle. Larger ones are hardly quicker to write, and the view `stored_jobs` reads the whole bundle
# for each of its jobs.
_MOST = 256
_HEAVIEST = 1024 * 1024
_WIDEST = 8  # numbers in it for each job; foreground jobs have numbers, too
_SPARSE = 16  # a bundle of which one in so many is left takes more room than it saves time

_HIGHEST = 2**63 - 1
# Rows in one statement. SQLite allows 32,766 values, and to read a statement of a new size takes it as long as to run
# it; so there are few sizes, all of which stay in the cache of the connection.
_SIZES = (512, 64, 8, 1)
_INSERT = {size: "INSERT OR REPLACE INTO jobs VALUES " + ",".join(["(?,?)"] * size) for size in _SIZES}  # noqa: S608  # of constants
_DELETE = {size: "DELETE FROM jobs WHERE number IN (" + ",".join("?" * size) + ")" for size in _SIZES}  # noqa: S608  # of constants

_number = attrgetter("number")


class _Bitmap(NamedTuple):
    """A row of the table of bitmaps.

    Attributes:
        last: The last number of the bundle, by which it is known.
        first: The first one.
        jobs: Number of jobs when the bundle was made.
        live: A byte for each number from the first one on: whether the bundle still holds that job.
    """

    last: int
    first: int
    jobs: int
    live: bytes


class JobTables:
    """All jobs in a SQLite file. The caller has begun a transaction.

    Args:
        connection: A connection to a file that has `TABLES`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self) -> int:
        """Return the number of jobs."""
        count = 0
        for (rows,) in self._connection.execute("SELECT count(*) FROM jobs"):
            count += rows
        for (live,) in self._connection.execute("SELECT live FROM bitmaps"):
            count += live.count(1)
        return count

    def highest(self) -> int:
        """Return a number that no job exceeds, transient ones aside."""
        highest = 0
        for (number,) in self._connection.execute(
            "SELECT max(number) FROM jobs WHERE number < ? UNION ALL SELECT max(last) FROM bitmaps", (TRANSIENT,)
        ):
            highest = max(highest, number or 0)
        return highest

    def read(self, after: int) -> list[JobRecord]:
        """Return some `CHUNK` jobs with numbers above ``after``, ordered by number."""
        jobs: list[JobRecord] = []
        weight = 0
        while len(jobs) < CHUNK and weight <= CHUNK_WEIGHT:
            bitmap = self._bitmap_above(after)
            portion, end, is_all = self._rows(after, _HIGHEST if bitmap is None else bitmap.last)
            if bitmap is not None and end >= bitmap.first:
                portion += [job for job in self._live_of(bitmap) if after < job.number <= end]
                portion.sort(key=_number)
            jobs += portion
            weight += sum([len(job.workload) for job in portion])
            after = end
            if bitmap is None and is_all:
                break
        return jobs

    def put_new(self, new: PutNew) -> None:
        """Store jobs, in bundles as far as they are worth one."""
        numbers, packed = new.numbers, new.packed
        known = bisect_right(numbers, self.highest())  # up to there, as a failed batch was stored after all
        end_of_bundles = bisect_left(numbers, TRANSIENT)
        at = skip(packed, 0, known)
        self._leave_bundles(numbers[:known])
        self._insert(numbers[:known], packed[:at])
        for start in range(known, end_of_bundles, _MOST):
            end = min(start + _MOST, end_of_bundles)
            start_at, at = at, skip(packed, at, end - start)
            if _is_worth_a_bundle(numbers[start], numbers[end - 1], end - start, at - start_at):
                self._insert_bundle(numbers[start:end], packed[start_at:at])
            else:
                self._insert(numbers[start:end], packed[start_at:at])
        self._insert(numbers[end_of_bundles:], packed[at:])

    def put(self, records: Sequence[JobRecord]) -> None:
        """Store jobs; a job replaces the one that has its number."""
        numbers = [record.number for record in records]
        self._leave_bundles(sorted(numbers))
        self._insert_rows([*zip(numbers, map(pack, records), strict=True)])

    def forget(self, numbers: Sequence[int]) -> None:
        """Delete jobs; some of them may not be known."""
        for portion in _portions(self._leave_bundles(sorted(numbers))):
            self._connection.execute(_DELETE[len(portion)], portion)

    def _insert(self, numbers: Sequence[int], packed: bytes) -> None:
        self._insert_rows([*zip(numbers, split(packed), strict=True)])

    def _insert_rows(self, rows: Sequence[tuple[int, bytes]]) -> None:
        for portion in _portions(rows):
            values: list[int | bytearray] = []
            for number, packed in portion:
                values += (number, bytearray(packed))  # sqlite3 takes 0.1 µs to bind these, 0.6 for bytes
            self._connection.execute(_INSERT[len(portion)], values)

    def _insert_bundle(self, numbers: Sequence[int], packed: bytes) -> None:
        first, last = numbers[0], numbers[-1]
        live = bytearray(last - first + 1)
        for number in numbers:
            live[number - first] = 1
        self._connection.execute("INSERT INTO bundles VALUES (?, ?)", (last, packed))
        self._connection.execute("INSERT INTO bitmaps VALUES (?, ?, ?, ?)", (last, first, len(numbers), live))

    def _rows(self, after: int, end: int) -> tuple[list[JobRecord], int, bool]:
        """Return the next jobs in rows, the number up to which there are no others, and whether that is ``end``."""
        jobs: list[JobRecord] = []
        weight = 0
        for (packed,) in self._connection.execute(
            "SELECT packed FROM jobs WHERE number > ? AND number <= ? ORDER BY number LIMIT ?", (after, end, CHUNK)
        ):
            jobs.append(unpack(packed))
            weight += len(packed)
            if weight > CHUNK_WEIGHT:
                break
        is_all = len(jobs) < CHUNK and weight <= CHUNK_WEIGHT
        return jobs, end if is_all else jobs[-1].number, is_all

    # Bundles.

    def _bitmap_above(self, number: int) -> _Bitmap | None:
        """Return the bitmap of the first bundle that goes beyond a number."""
        row = self._connection.execute(
            "SELECT last, first, jobs, live FROM bitmaps WHERE last > ? ORDER BY last LIMIT 1", (number,)
        ).fetchone()
        return _Bitmap._make(row) if row is not None else None

    def _live_of(self, bitmap: _Bitmap) -> Iterator[JobRecord]:
        """Yield the jobs of a bundle that have not ended."""
        ((packed,),) = self._connection.execute("SELECT packed FROM bundles WHERE last = ?", (bitmap.last,))
        return (job for job in unpack_all(packed) if bitmap.live[job.number - bitmap.first])

    def _leave_bundles(self, numbers: Sequence[int]) -> list[int]:
        """Take jobs out of their bundles, and return the numbers, which are ascending, of those that were in none."""
        others: list[int] = []
        start = 0
        while start < len(numbers):
            bitmap = self._bitmap_above(numbers[start] - 1)
            if bitmap is None:
                return [*others, *numbers[start:]]
            begin = bisect_left(numbers, bitmap.first, start)
            end = bisect_right(numbers, bitmap.last, begin)
            others += numbers[start:begin]
            others += self._leave(bitmap, numbers[begin:end])
            start = end
        return others

    def _leave(self, bitmap: _Bitmap, numbers: Sequence[int]) -> list[int]:
        """Take jobs out of a bundle, and return those of the numbers that are not in it."""
        first = bitmap.first
        others = [number for number in numbers if not bitmap.live[number - first]]
        live = bytearray(bitmap.live)
        for number in numbers:
            live[number - first] = 0
        if live == bitmap.live:
            return others
        left = live.count(1)
        if left * _SPARSE > bitmap.jobs:
            self._connection.execute("UPDATE bitmaps SET live = ? WHERE last = ?", (live, bitmap.last))
            return others
        if left:
            rows = [(job.number, pack(job)) for job in self._live_of(bitmap._replace(live=bytes(live)))]
            self._insert_rows(rows)
        self._connection.execute("DELETE FROM bundles WHERE last = ?", (bitmap.last,))
        self._connection.execute("DELETE FROM bitmaps WHERE last = ?", (bitmap.last,))
        return others


def _is_worth_a_bundle(first: int, last: int, jobs: int, size: int) -> bool:
    """Tell whether many jobs with ascending numbers are close to each other, and not too large together."""
    return jobs >= _FEWEST and last - first < jobs * _WIDEST and size <= _HEAVIEST


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield all items in portions of the sizes that there are statements for, the largest first."""
    start = 0
    for size in _SIZES:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size
