# SPDX-License-Identifier: MIT
"""The table of gearmand's module libsqlite3."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote

from geartrain.core.record import JobRecord
from geartrain.storage.gearmand.persistent_queue import job, when_column
from geartrain.storage.store import StoreError

__all__ = ["SQLiteQueue"]

TABLE = "gearman_queue"


class SQLiteQueue:
    """A queue in a SQLite file.

    Args:
        path: The file, ``--libsqlite3-db`` of gearmand.
        table: The table, ``--libsqlite3-table``.
    """

    def __init__(self, path: Path, table: str = TABLE) -> None:
        self.name = f"{path}, table {table}"
        if not path.exists():
            raise StoreError(f"{path}: there is no such file")
        self._table = '"' + table.replace('"', '""') + '"'
        self._read: list[tuple[int, bytes, bytes]] = []
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        self._connection.text_factory = bytes
        self._cursor = self._connection.cursor()

    @classmethod
    def from_url(cls, parts: SplitResult) -> "SQLiteQueue":
        """Return the queue behind ``sqlite:///absolute/path?table=gearman_queue`` or ``sqlite:relative/path``."""
        if parts.netloc or not parts.path:
            raise StoreError(f"{parts.geturl()!r} names no file; write it like sqlite:///var/lib/gearman/queue.db")
        return cls(Path(unquote(parts.path)), parse_qs(parts.query).get("table", [TABLE])[0])

    def jobs(self) -> Iterator[JobRecord]:
        """Yield all jobs; see `Queue.jobs`."""
        with self._translated():
            columns = [name.decode() for _, name, *_ in self._connection.execute(f"PRAGMA table_info({self._table})")]
            when = when_column(columns, self.name)
            rows = self._cursor.execute(
                f"SELECT rowid, unique_key, function_name, priority, data, {when} FROM {self._table} ORDER BY rowid"  # noqa: S608
            )
            for rowid, unique, function, *rest in rows:
                self._read.append((rowid, unique, function))
                yield job(unique, function, *rest)

    def delete(self) -> None:
        """Delete what was read; see `Queue.delete`."""
        # A C server that runs anyway may have given a number to another row.
        same = "rowid = ? AND CAST(unique_key AS BLOB) IS ? AND CAST(function_name AS BLOB) IS ?"
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(f"DELETE FROM {self._table} WHERE {same}", self._read)  # noqa: S608
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._cursor.close()  # or its lock would be held as long as there is an iterator over its rows
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.name}: {error}") from error
