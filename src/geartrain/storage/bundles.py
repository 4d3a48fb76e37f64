# SPDX-License-Identifier: MIT
"""Where the SQLite store has its jobs: each in a row of its own, or bundled as they came, a thousand in a row.

To bind the values of a row and to insert it takes longer than all else that a store does for a job. So jobs that come
in great numbers are a bundle: one value with all of them, and marks, a byte for each number from the first to the last,
which is 1 as long as that job is kept.

- A bundle takes only numbers above all others, so that no two overlap, and a number leads to one bundle at most.
- A job has a row or is in a bundle. One that is stored anew, as it lost its worker, leaves its bundle for a row.
- A bundle ends with the last of its jobs. When only few are left they get rows, so that what has ended leaves the file.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeVar

from geartrain.jobrecord import JobRecord
from geartrain.storage.packing import pack, unpack, unpack_all
from geartrain.storage.store import CHUNK, CHUNK_WEIGHT

__all__ = ["TABLES", "JobTables"]

T = TypeVar("T")

TABLES = (
    "CREATE TABLE jobs (number INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
    "CREATE TABLE bundles (last INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
    # Apart from the bundles, as SQLite writes a row anew when any of it changes.
    "CREATE TABLE marks (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, jobs INTEGER NOT NULL, kept BLOB NOT NULL)",
)

_FEWEST = 32  # jobs that are worth a bundle
_WIDEST = 8  # numbers in it for each job; foreground jobs have numbers, too
_SPARSE = 16  # a bundle of which one in so many is left takes more room than it saves time

_HIGHEST = 2**63 - 1
# Rows in one statement. SQLite allows 32,766 values, and to read a statement of a new size takes it as long as to run
# it; so there are few sizes, all of which stay in the cache of the connection.
_SIZES = (512, 64, 8, 1)
_INSERT = {size: "INSERT OR REPLACE INTO jobs VALUES " + ",".join(["(?,?)"] * size) for size in _SIZES}  # noqa: S608  # of constants
_DELETE = {size: "DELETE FROM jobs WHERE number IN (" + ",".join("?" * size) + ")" for size in _SIZES}  # noqa: S608  # of constants

_number = itemgetter(0)
_workload = itemgetter(5)


class _Bundle(NamedTuple):
    """What the marks say of a bundle.

    Attributes:
        last: Its last number, by which it is known.
        first: The first one.
        jobs: How many it had when it was made.
        kept: For each number from the first one on, whether it keeps that job.
    """

    last: int
    first: int
    jobs: int
    kept: bytes


class JobTables:
    """All jobs in a SQLite file. Whoever calls has begun a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self) -> int:
        """Return how many jobs there are."""
        count = 0
        for (rows,) in self._connection.execute("SELECT count(*) FROM jobs"):
            count += rows
        for (kept,) in self._connection.execute("SELECT kept FROM marks"):
            count += kept.count(1)
        return count

    def highest(self) -> int:
        """Return a number that none of them exceeds."""
        highest = 0
        for (number,) in self._connection.execute("SELECT max(number) FROM jobs UNION ALL SELECT max(last) FROM marks"):
            highest = max(highest, number or 0)
        return highest

    def read(self, after: int) -> list[JobRecord]:
        """Return the next jobs with numbers above ``after``, in their order."""
        while True:
            bundle = self._bundle(after + 1)
            jobs, end = self._rows(after, _HIGHEST if bundle is None else bundle.last)
            if bundle is not None and end >= bundle.first:
                jobs += [job for job in self._left_of(bundle) if after < job.number <= end]
                jobs.sort(key=_number)
            if jobs or bundle is None:
                return jobs
            after = end

    def store(self, jobs: Sequence[JobRecord]) -> None:
        """Keep jobs; one whose number is known replaces what was known of it."""
        highest = self.highest()
        new = sorted([job for job in jobs if job.number > highest], key=_number)
        single = [job for job in jobs if job.number <= highest]
        self._leave_bundles(sorted(map(_number, single)))
        for start in range(0, len(new), CHUNK):
            portion = new[start : start + CHUNK]
            if _is_worth_a_bundle(portion):
                self._insert_bundle(portion)
            else:
                single += portion
        self._insert(single)

    def forget(self, numbers: Sequence[int]) -> None:
        """Forget jobs; some of them may not be known."""
        for portion in _portions(self._leave_bundles(sorted(numbers))):
            self._connection.execute(_DELETE[len(portion)], portion)

    def _insert(self, jobs: Sequence[JobRecord]) -> None:
        for portion in _portions(jobs):
            values: list[int | bytearray] = []
            for job in portion:
                values += (job.number, bytearray(pack(job)))  # sqlite3 takes 0.1 µs to bind these, 0.6 for bytes
            self._connection.execute(_INSERT[len(portion)], values)

    def _insert_bundle(self, jobs: Sequence[JobRecord]) -> None:
        first, last = jobs[0].number, jobs[-1].number
        kept = bytearray(last - first + 1)
        for job in jobs:
            kept[job.number - first] = 1
        self._connection.execute("INSERT INTO bundles VALUES (?, ?)", (last, b"".join(map(pack, jobs))))
        self._connection.execute("INSERT INTO marks VALUES (?, ?, ?, ?)", (last, first, len(jobs), kept))

    def _rows(self, after: int, end: int) -> tuple[list[JobRecord], int]:
        """Return the next jobs that have rows, up to a number, and up to which one these are all."""
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
        return jobs, end if is_all else jobs[-1].number

    # Bundles.

    def _bundle(self, number: int) -> _Bundle | None:
        """Return the bundle that a number belongs to, or else the next one."""
        row = self._connection.execute(
            "SELECT last, first, jobs, kept FROM marks WHERE last >= ? ORDER BY last LIMIT 1", (number,)
        ).fetchone()
        return _Bundle._make(row) if row is not None else None

    def _left_of(self, bundle: _Bundle) -> Iterator[JobRecord]:
        """Yield the jobs that a bundle keeps."""
        ((packed,),) = self._connection.execute("SELECT packed FROM bundles WHERE last = ?", (bundle.last,))
        return (job for job in unpack_all(packed) if bundle.kept[job.number - bundle.first])

    def _leave_bundles(self, numbers: Sequence[int]) -> list[int]:
        """Have jobs leave their bundles, and return the numbers, which are in order, of those that were in none."""
        others: list[int] = []
        start = 0
        while start < len(numbers):
            bundle = self._bundle(numbers[start])
            if bundle is None:
                return [*others, *numbers[start:]]
            begin = bisect_left(numbers, bundle.first, start)
            end = bisect_right(numbers, bundle.last, begin)
            others += numbers[start:begin]
            others += self._leave(bundle, numbers[begin:end])
            start = end
        return others

    def _leave(self, bundle: _Bundle, numbers: Sequence[int]) -> list[int]:
        """Have jobs leave a bundle, and return those of the numbers that it does not keep."""
        others = [number for number in numbers if not bundle.kept[number - bundle.first]]
        kept = bytearray(bundle.kept)
        for number in numbers:
            kept[number - bundle.first] = 0
        if kept == bundle.kept:
            return others
        left = kept.count(1)
        if left * _SPARSE > bundle.jobs:
            self._connection.execute("UPDATE marks SET kept = ? WHERE last = ?", (kept, bundle.last))
            return others
        if left:
            self._insert([*self._left_of(bundle._replace(kept=bytes(kept)))])
        self._connection.execute("DELETE FROM bundles WHERE last = ?", (bundle.last,))
        self._connection.execute("DELETE FROM marks WHERE last = ?", (bundle.last,))
        return others


def _is_worth_a_bundle(jobs: Sequence[JobRecord]) -> bool:
    """Tell whether many jobs with numbers in order are close to each other, and not too much for one value."""
    spread = jobs[-1].number - jobs[0].number
    return len(jobs) >= _FEWEST and spread < len(jobs) * _WIDEST and sum(map(len, map(_workload, jobs))) <= CHUNK_WEIGHT


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield all items in portions of the sizes that there are statements for, the largest first."""
    start = 0
    for size in _SIZES:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size
