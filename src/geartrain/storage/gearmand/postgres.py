# SPDX-License-Identifier: MIT
"""The table of gearmand's module postgres. The extra ``postgres`` brings the library.

Everything happens in one transaction, which sees the table as it was at its beginning, and fails to delete rows that
others have changed or deleted since.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode

from geartrain.core.record import JobRecord
from geartrain.storage.gearmand.persistent_queue import job, when_column
from geartrain.storage.store import StoreError, needed

with needed("postgres"):
    import psycopg
    from psycopg.sql import SQL

__all__ = ["PostgresQueue"]

TABLE = "queue"
_ROWS = 100  # that are fetched at once


class PostgresQueue:
    """A queue in a PostgreSQL database.

    Args:
        conninfo: A URL or a connection string, ``--libpq-conninfo`` of gearmand.
        table: The table, ``--libpq-table``.
    """

    def __init__(self, conninfo: str, table: str = TABLE) -> None:
        self._table = table
        self._read: list[str] = []
        try:
            self._connection = psycopg.connect(conninfo, connect_timeout=5, application_name="geartrain")
        except psycopg.Error as error:
            raise StoreError(f"postgresql: {error}") from error
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self.name = f"postgresql database {self._connection.info.dbname}, table {table}"

    @classmethod
    def from_url(cls, parts: SplitResult) -> "PostgresQueue":
        """Return the queue behind ``postgresql://user:password@host:port/database?table=queue``."""
        words = dict(parse_qsl(parts.query))
        table = words.pop("table", TABLE)
        url = parts._replace(query=urlencode(words))
        return cls(url.geturl() if parts.netloc else unquote(parts.path), table)

    def jobs(self) -> Iterator[JobRecord]:
        """Yield all jobs; see `Queue.jobs`."""
        with self._translated():
            self._connection.execute("SET client_encoding TO SQL_ASCII")  # text comes as the bytes that it is
            table = self._quoted()
            columns = self._connection.execute(SQL("SELECT * FROM {} LIMIT 0").format(table)).description or ()
            when = SQL(when_column([_text(column.name) for column in columns], self.name))
            query = SQL("SELECT ctid::text, unique_key, function_name, priority, data, {} FROM {}").format(when, table)
            with self._connection.cursor("jobs", binary=True) as rows:
                rows.itersize = _ROWS
                for place, unique, function, *rest in rows.execute(query):
                    self._read.append(_text(place))
                    yield job(unique, function, *rest)

    def delete(self) -> None:
        """Delete what was read; see `Queue.delete`."""
        with self._translated():
            query = SQL("DELETE FROM {} WHERE ctid = ANY(%s::tid[])").format(self._quoted())
            self._connection.execute(query, (self._read,))
            self._connection.commit()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _quoted(self) -> SQL:
        found = self._connection.execute("SELECT to_regclass(%s)::text", (self._table,)).fetchone()
        if found is None or found[0] is None:
            raise StoreError(f"{self.name}: there is no such table")
        return SQL(_text(found[0]))  # quoted where that is needed

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise StoreError(f"{self.name}: {error}") from error


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
