# SPDX-License-Identifier: MIT
"""The embedded store: one SQLite file, and nothing to install.

All of SQLite happens in one thread of its own, which waits for the disk while the event loop goes on. A batch is one
transaction with one statement for many rows: a statement for each row takes Python's lock for each row, which beside a
busy loop is four times as slow. A row holds a job in one value, as binding a value takes longer than storing it.

The write-ahead log is synced with each commit (``synchronous=FULL``), so a commit survives a power failure.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.record import JobRecord
from geartrain.storage.bundles import JobTables
from geartrain.storage.sqlite_file import SQLiteFile
from geartrain.storage.sqlite_schema import NEWEST, migrate, version_of
from geartrain.storage.store import Opened, StoreError
from geartrain.storage.threaded import ThreadedStore

__all__ = ["SQLiteStore"]

# Bytes of a file whose pages are all read at the start: 0.05 s from memory. Those of a larger one are read as its jobs
# are restored.
_QUICKLY_CHECKED = 128 * 1024 * 1024
_FRAME_HEADER = 24  # bytes before each page in the log


class SQLiteStore(ThreadedStore):
    """Jobs in a SQLite file, which belongs to one server.

    Args:
        path: The file; it and its folder are created if need be.
        only_reads: Open the file for reading. SQLite lets others read while one writes.
    """

    failures = (sqlite3.Error, OSError)

    def __init__(self, path: Path, *, only_reads: bool = False) -> None:
        super().__init__(str(path), only_reads=only_reads)
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file = SQLiteFile(path)

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "SQLiteStore":
        """Return the store behind ``sqlite:///absolute/path`` or ``sqlite:relative/path``."""
        if parts.netloc or not parts.path:
            raise StoreError(f"{parts.geturl()!r} names no file; write it like sqlite:///var/lib/geartrain/jobs.db")
        return cls(Path(unquote(parts.path)), only_reads=only_reads)

    def _open(self) -> Opened:
        connection = self._open_for_reading() if self._only_reads else self._open_for_writing()
        with self._transaction("DEFERRED"):
            jobs = JobTables(connection)
            row = connection.execute("SELECT value FROM facts WHERE name = 'reserved'").fetchone()
            return Opened(max(jobs.highest(), row[0] if row else 0), jobs.count())

    def _open_for_reading(self) -> sqlite3.Connection:
        if not self._path.exists():
            raise StoreError(f"{self._path}: there is no such file")
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._check_schema(version_of(self._connection), NEWEST)
        return self._connection

    def _open_for_writing(self) -> sqlite3.Connection:
        self._file.open()
        connection = sqlite3.connect(self._file.path, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the data in the disk's cache
        self._file.confirm()
        version = version_of(connection)
        self._check_schema(version, NEWEST)
        if self._database_size() <= _QUICKLY_CHECKED:
            self._check_pages(connection)
        if version < NEWEST:
            with self._transaction():
                migrate(connection, version)
        self._file.watch()
        return connection

    def _check_pages(self, connection: sqlite3.Connection) -> None:
        """Look for damage. It reads all pages."""
        ((found,),) = connection.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise StoreError(f"{self._path}: the file is damaged: {' '.join(found.split())}. Restore it from a backup")

    def _database_size(self) -> int:
        """Return the size that all pages have. The file is smaller while the log has the last ones."""
        try:
            ((pages,),) = self._opened().execute("PRAGMA page_count")
            ((size,),) = self._opened().execute("PRAGMA page_size")
        except sqlite3.OperationalError:  # such as a lock of another process
            raise
        except sqlite3.DatabaseError:  # "malformed", as the file is smaller than its header says
            return sys.maxsize
        return int(pages) * int(size)

    def _log_size(self) -> int:
        """Return the size of the log up to its last frame; the file may be larger."""
        ((_, frames, _),) = self._opened().execute("PRAGMA wal_checkpoint(PASSIVE)")
        ((size,),) = self._opened().execute("PRAGMA page_size")
        return int(frames) * (int(size) + _FRAME_HEADER)

    def _read(self, after: int) -> list[JobRecord]:
        with self._transaction("DEFERRED"):
            return JobTables(self._opened()).read(after)

    def _commit(self, changes: Sequence[Change]) -> None:
        self._opened()
        self._file.check(self._database_size, self._log_size)
        with self._transaction():
            for change in changes:
                self._CHANGES[type(change)](self, change)
            if not changes:  # a write, to see whether the file still takes one
                self._opened().execute(
                    "INSERT INTO facts VALUES ('reserved', 0) ON CONFLICT (name) DO UPDATE SET value = value"
                )
        self._file.committed()

    def _put_new(self, change: PutNew) -> None:
        JobTables(self._opened()).put_new(change)

    def _put(self, change: Put) -> None:
        JobTables(self._opened()).put(change.records)

    def _forget(self, change: Forget) -> None:
        JobTables(self._opened()).forget(change.numbers)

    def _reserve(self, change: Reserve) -> None:
        self._opened().execute("INSERT OR REPLACE INTO facts VALUES ('reserved', ?)", (change.until,))

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path}: it is not open")
        return self._connection

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Keep all that the block does, or nothing."""
        connection = self._opened()
        connection.execute(f"BEGIN {kind}")
        try:
            yield
            with self._doubt():  # a commit whose sync fails may be in the log after a crash
                connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _close(self) -> None:
        if self._connection is not None:
            self._file.prepare_close()
            self._connection.close()
            self._connection = None
        self._file.close()

    _CHANGES: ClassVar[dict[type[Any], Callable[["SQLiteStore", Any], None]]] = {
        PutNew: _put_new,
        Put: _put,
        Forget: _forget,
        Reserve: _reserve,
    }
