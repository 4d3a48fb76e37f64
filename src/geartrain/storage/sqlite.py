# SPDX-License-Identifier: MIT
"""The embedded store: one file, and nothing to install.

All of SQLite happens in one thread of its own, which waits for the disk while the event loop goes on. A batch is one
transaction with one statement for many rows: a statement for each row takes Python's lock for each row, which beside a
busy loop is four times as slow. A row has a job in one value, as binding a value takes longer than storing it.

The write-ahead log is synced with each commit (``synchronous=FULL``), so a commit survives a loss of power.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.bundles import TABLES, JobTables
from geartrain.storage.packing import pack
from geartrain.storage.store import Opened, StoreError
from geartrain.storage.threaded import ThreadedStore

__all__ = ["SQLiteStore"]

_SCHEMA_VERSION = 2
_MIGRATIONS: dict[int, Sequence[str]] = {
    1: (
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY,
            handle BLOB NOT NULL,
            function BLOB NOT NULL,
            "unique" BLOB NOT NULL,
            priority INTEGER NOT NULL,
            workload BLOB NOT NULL,
            run_at INTEGER NOT NULL,
            retries INTEGER NOT NULL,
            reducer BLOB NOT NULL,
            schedule BLOB NOT NULL,
            owner TEXT NOT NULL
        )""",
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    ),
    2: (
        "ALTER TABLE jobs RENAME TO jobs_in_columns",
        *TABLES,
        """INSERT INTO jobs SELECT number, pack(
            number, handle, function, "unique", priority, workload, run_at, retries, reducer, schedule, owner
        ) FROM jobs_in_columns ORDER BY number""",
        "DROP TABLE jobs_in_columns",
    ),
}


class SQLiteStore(ThreadedStore):
    """Jobs in a SQLite file, which belongs to one server.

    Args:
        path: The file; it and its folder are created if need be.
        only_reads: Whether it is only looked at. SQLite lets others read while one writes.
    """

    failures = (sqlite3.Error, OSError)

    def __init__(self, path: Path, *, only_reads: bool = False) -> None:
        super().__init__(str(path), only_reads=only_reads)
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "SQLiteStore":
        """Return the store behind ``sqlite:///absolute/path`` or ``sqlite:relative/path``."""
        if parts.netloc or not parts.path:
            raise StoreError(f"{parts.geturl()!r} names no file; write it like sqlite:///var/lib/geartrain/jobs.db")
        return cls(Path(unquote(parts.path)), only_reads=only_reads)

    def _open(self) -> Opened:
        connection = self._look() if self._only_reads else self._take()
        with _transaction(connection, "DEFERRED"):
            jobs = JobTables(connection)
            reserved = connection.execute("SELECT value FROM facts WHERE name = 'reserved'").fetchone()
            return Opened(max(jobs.highest(), reserved[0] if reserved else 0), jobs.count())

    def _look(self) -> sqlite3.Connection:
        if not self._path.exists():
            raise StoreError(f"{self._path}: there is no such file")
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._version(self._connection)
        return self._connection

    def _take(self) -> sqlite3.Connection:
        if self._path.exists() and not self._path.is_file():
            raise StoreError(f"{self._path}: this is no regular file")  # whose mode would be changed below
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._connection = connection
        self._path.chmod(0o600)  # workloads are nobody else's business
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        self._migrate(connection)
        return connection

    def _take_lock(self) -> None:
        """Keep others off. SQLite's own locks are let go between two transactions."""
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode(errors="replace").strip()
            os.close(lock)
            raise StoreError(f"{self._path}: another server uses this file (process {holder or 'unknown'})") from None
        os.ftruncate(lock, 0)
        os.write(lock, b"%d\n" % os.getpid())
        self._lock = lock

    def _version(self, connection: sqlite3.Connection) -> int:
        version: int
        ((version,),) = connection.execute("PRAGMA user_version")
        self._check_schema(version, _SCHEMA_VERSION)
        return version

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.create_function("pack", -1, lambda *columns: pack(JobRecord(*columns)), deterministic=True)
        for step in range(self._version(connection) + 1, _SCHEMA_VERSION + 1):
            with _transaction(connection):
                for statement in _MIGRATIONS[step]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {step}")

    def _read(self, after: int) -> list[JobRecord]:
        connection = self._opened()
        with _transaction(connection, "DEFERRED"):
            return JobTables(connection).read(after)

    def _commit(self, batch: Batch) -> None:
        connection = self._opened()
        with _transaction(connection):
            jobs = JobTables(connection)
            if batch.stored:
                jobs.store(batch.stored)
            if batch.finished:
                jobs.forget(batch.finished)
            if batch.reserve or not (batch.stored or batch.finished):
                connection.execute(
                    "INSERT INTO facts VALUES ('reserved', ?) "
                    "ON CONFLICT (name) DO UPDATE SET value = iif(excluded.value, excluded.value, value)",
                    (batch.reserve,),
                )

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path}: it is not open")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _transaction:  # noqa: N801  # reads as what it is
    """All of a block, or nothing of it."""

    def __init__(self, connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> None:
        self._connection = connection
        self._kind = kind

    def __enter__(self) -> None:
        self._connection.execute(f"BEGIN {self._kind}")

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is None:
            try:
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
