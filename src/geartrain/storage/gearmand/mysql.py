# SPDX-License-Identifier: MIT
"""The table of gearmand's module mysql. The extra ``mysql`` brings the library."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from urllib.parse import SplitResult

from geartrain.core.record import JobRecord
from geartrain.storage.address import Address
from geartrain.storage.gearmand.persistent_queue import job, when_column
from geartrain.storage.mysql import DATABASE, PORT
from geartrain.storage.store import StoreError, needed

with needed("mysql"):
    import pymysql
    from pymysql.charset import charset_by_name
    from pymysql.cursors import SSCursor

__all__ = ["MySQLQueue"]

TABLE = "gearman_queue"
_ROWS = 500  # that are deleted at once


class MySQLQueue:
    """A queue in a MariaDB or MySQL database.

    Args:
        host: ``--mysql-host`` of gearmand.
        port: ``--mysql-port``.
        user: ``--mysql-user``.
        password: ``--mysql-password``.
        database: ``--mysql-db``.
        table: ``--mysql-table``.
        charset: In which names travelled between gearmand and the server.
        unix_socket: A socket in the file system, instead of host and port.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = PORT,
        user: str | None = None,
        password: str = "",
        database: str = DATABASE,
        *,
        table: str = TABLE,
        charset: str = "utf8mb4",
        unix_socket: str | None = None,
    ) -> None:
        self.name = f"mysql database {database}, table {table}"
        self._table = "`" + table.replace("`", "``") + "`"
        self._read: list[tuple[str, str]] = []
        if charset_by_name(charset) is None:
            raise StoreError(f"MySQL has no character set {charset!r}")
        with self._translated():
            self._connection = pymysql.connect(
                host=host,
                port=port,
                user=user,
                password=password,
                database=database,
                unix_socket=unix_socket,
                charset=charset,
                connect_timeout=5,
            )

    @classmethod
    def from_url(cls, parts: SplitResult) -> "MySQLQueue":
        """Return the queue behind ``mysql://user:password@host:port/database?table=gearman_queue&charset=latin1``."""
        where = Address.read(parts, "MySQL", PORT)
        return cls(
            where.host,
            where.port,
            where.user,
            where.password,
            where.database or DATABASE,
            table=where.options.get("table", TABLE),
            charset=where.options.get("charset", "utf8mb4"),
            unix_socket=where.options.get("unix_socket"),
        )

    def jobs(self) -> Iterator[JobRecord]:
        """Yield all jobs; see `Queue.jobs`."""
        with self._translated(), self._connection.cursor(SSCursor) as rows:
            rows.execute(f"SELECT * FROM {self._table} LIMIT 0")  # noqa: S608
            when = when_column([column[0] for column in rows.description], self.name)
            rows.fetchall()
            rows.execute(f"SELECT unique_key, function_name, priority, data, {when} FROM {self._table}")  # noqa: S608
            for unique, function, *rest in rows.fetchall_unbuffered():
                self._read.append((unique, function))
                yield job((unique or "").encode(self._connection.encoding), self._bytes(function), *rest)

    def delete(self) -> None:
        """Delete what was read; see `Queue.delete`."""
        with self._translated(), self._connection.cursor() as cursor:
            for start in range(0, len(self._read), _ROWS):
                rows = self._read[start : start + _ROWS]
                # Not as IN (…): MariaDB 10.11 finds nothing in a Latin 1 table if a name has letters beyond ASCII.
                same = " OR ".join(["(unique_key = %s AND function_name = %s)"] * len(rows))
                cursor.execute(f"DELETE FROM {self._table} WHERE {same}", list(chain.from_iterable(rows)))  # noqa: S608
            self._connection.commit()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _bytes(self, text: str) -> bytes:
        return text.encode(self._connection.encoding)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (pymysql.MySQLError, OSError, LookupError, UnicodeError) as error:
            raise StoreError(f"{self.name}: {error}") from error
