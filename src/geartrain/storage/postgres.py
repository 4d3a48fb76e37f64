# SPDX-License-Identifier: MIT
"""Jobs in PostgreSQL. The extra ``postgres`` brings the library.

A batch is one transaction of at most three statements, whose values travel as arrays: however many jobs there are, the
statement is the same, and PostgreSQL plans it once. How safe a commit is, ``synchronous_commit`` of the server says.
"""

from collections.abc import Sequence
from urllib.parse import SplitResult, unquote

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.store import CHUNK, Opened, StoreError, needed
from geartrain.storage.threaded import FAREWELL, PATIENCE, ThreadedStore

with needed("postgres"):
    import psycopg

__all__ = ["PostgresStore"]

_SCHEMA_VERSION = 1
_MIGRATIONS: dict[int, Sequence[str]] = {
    1: (
        """CREATE TABLE geartrain_jobs (
            number bigint PRIMARY KEY,
            handle bytea NOT NULL,
            function bytea NOT NULL,
            "unique" bytea NOT NULL,
            priority smallint NOT NULL,
            workload bytea NOT NULL,
            run_at bigint NOT NULL,
            retries integer NOT NULL,
            reducer bytea NOT NULL,
            schedule bytea NOT NULL,
            owner text NOT NULL
        )""",
    ),
}
_FACTS = "CREATE TABLE IF NOT EXISTS geartrain_facts (name text PRIMARY KEY, value bigint NOT NULL)"
_SET_FACT = "INSERT INTO geartrain_facts VALUES (%b, %b) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
_TYPES = ("bigint", "bytea", "bytea", "bytea", "smallint", "bytea", "bigint", "integer", "bytea", "bytea", "text")
_CHANGES = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in JobRecord._fields if name != "number")
_STORE = (
    f"INSERT INTO geartrain_jobs SELECT * FROM unnest({', '.join(f'%b::{name}[]' for name in _TYPES)}) "  # noqa: S608
    f"ON CONFLICT (number) DO UPDATE SET {_CHANGES}"
)
_READ = "SELECT * FROM geartrain_jobs WHERE number > %b ORDER BY number LIMIT %b"
_FINISH = "DELETE FROM geartrain_jobs WHERE number = ANY(%b::bigint[])"
_LOCK = 0x67656172  # "gear": advisory locks have numbers for names


class PostgresStore(ThreadedStore):
    """Jobs in a PostgreSQL database.

    Args:
        conninfo: A URL or a connection string, as libpq has them.
        only_reads: Whether it is only looked at.
    """

    failures = (psycopg.Error, OSError)

    def __init__(self, conninfo: str, *, only_reads: bool = False) -> None:
        parameters = psycopg.conninfo.conninfo_to_dict(conninfo)
        where = f"{parameters.get('dbname', '')} on {parameters.get('host', 'localhost')}"
        super().__init__(f"postgresql database {where}", only_reads=only_reads)
        self._conninfo = conninfo
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "PostgresStore":
        """Return the store behind ``postgresql://user:password@host:port/database``, or a string of libpq's."""
        try:
            return cls(parts.geturl() if parts.netloc else unquote(parts.path), only_reads=only_reads)
        except psycopg.ProgrammingError as error:
            raise StoreError(f"not a PostgreSQL address: {error}") from error

    def _open(self) -> Opened:
        connection = self._connected()
        with connection.transaction():
            if self._only_reads:
                self._version(connection)
            else:
                connection.execute(_FACTS)
                self._migrate(connection)
            row = connection.execute(
                "SELECT count(*), coalesce(max(number), 0), "
                "coalesce((SELECT value FROM geartrain_facts WHERE name = 'reserved'), 0) "
                "FROM geartrain_jobs"
            ).fetchone()
        assert row is not None, "an aggregate has one row"
        jobs, highest, reserved = map(int, map(str, row))
        return Opened(max(highest, reserved), jobs)

    def _version(self, connection: "psycopg.Connection[tuple[object, ...]]") -> int:
        row = None
        if connection.execute("SELECT to_regclass('geartrain_facts')").fetchone() != (None,):
            row = connection.execute("SELECT value FROM geartrain_facts WHERE name = 'schema'").fetchone()
        version = int(str(row[0])) if row is not None else 0
        self._check_schema(version, _SCHEMA_VERSION)
        return version

    def _migrate(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        for step in range(self._version(connection) + 1, _SCHEMA_VERSION + 1):
            for statement in _MIGRATIONS[step]:
                connection.execute(statement.encode())
        connection.execute(_SET_FACT, ("schema", _SCHEMA_VERSION))

    def _read(self, after: int) -> list[JobRecord]:
        rows = self._connected().execute(_READ, (after, CHUNK), binary=True)
        return [JobRecord._make(row) for row in rows]

    def _commit(self, batch: Batch) -> None:
        connection = self._connected()
        with connection.transaction():
            if batch.stored:
                connection.execute(_STORE.encode(), [list(column) for column in zip(*batch.stored, strict=True)])
            if batch.finished:
                connection.execute(_FINISH, (list(batch.finished),))
            if batch.reserve:
                connection.execute(_SET_FACT, ("reserved", batch.reserve))
            if not any(batch):
                connection.execute("SELECT 1")

    def _connected(self) -> "psycopg.Connection[tuple[object, ...]]":
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(
                self._conninfo,
                autocommit=True,
                connect_timeout=5,
                options=f"-c statement_timeout={PATIENCE}s",
                tcp_user_timeout=PATIENCE * 1000,
                application_name="geartrain",
            )
            self._connection = connection
            if self._only_reads:
                connection.execute("SET default_transaction_read_only = on")
                return connection
            connection.execute(f"SET lock_timeout = '{FAREWELL}s'".encode())
            try:
                connection.execute("SELECT pg_advisory_lock(%b)", (_LOCK,))
            except psycopg.errors.LockNotAvailable as error:
                raise StoreError(f"{self.name}: another server uses it") from error
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _reset(self) -> None:
        self._close()
