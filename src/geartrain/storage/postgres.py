# SPDX-License-Identifier: MIT
"""Jobs in PostgreSQL. The extra ``postgres`` brings the library.

A batch is one transaction: its statements go out together, and the commit follows when they have succeeded. Values
travel as arrays, so that a statement is the same however many jobs there are, and PostgreSQL plans it once. A batch is
stored only if the store still has the token of its connection; see `geartrain.storage.session`.

A commit waits for PostgreSQL's log to be synced, even where ``synchronous_commit`` is off for the database or the user.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias
from urllib.parse import SplitResult, unquote

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import pack_tagged
from geartrain.core.record import JobRecord
from geartrain.storage.columns import COLUMNS, OLD_COLUMNS, from_old_row, from_row, to_row
from geartrain.storage.session import Session
from geartrain.storage.store import CHUNK, CommitOutcome, Opened, StoreError, needed
from geartrain.storage.threaded import ANSWER_TIMEOUT, LOCK_TIMEOUT, ThreadedStore

with needed("postgres"):
    import psycopg

__all__ = ["PostgresStore"]

log = logging.getLogger("geartrain.store")

_SCHEMA_VERSION = 2
_FACTS = "CREATE TABLE IF NOT EXISTS geartrain_facts (name text PRIMARY KEY, value bigint NOT NULL)"
_JOBS = """CREATE TABLE geartrain_jobs (
    number bigint PRIMARY KEY,
    handle bytea NOT NULL,
    function bytea NOT NULL,
    "unique" bytea NOT NULL,
    priority smallint NOT NULL,
    workload bytea NOT NULL,
    created_at bigint NOT NULL,
    tagged bytea NOT NULL
)"""
_TYPES = ("bigint", "bytea", "bytea", "bytea", "smallint", "bytea", "bigint", "bytea")
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_ASSIGNMENTS = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in COLUMNS[1:])
_PUT = (
    f"INSERT INTO geartrain_jobs ({_NAMES}) SELECT * FROM unnest({', '.join(f'%b::{name}[]' for name in _TYPES)}) "  # noqa: S608
    f"ON CONFLICT (number) DO UPDATE SET {_ASSIGNMENTS}"
)
_READ = f"SELECT {_NAMES} FROM geartrain_jobs WHERE number > %b ORDER BY number LIMIT %b"  # noqa: S608
_FORGET = "DELETE FROM geartrain_jobs WHERE number = ANY(%b::bigint[])"
_SET_FACT = "INSERT INTO geartrain_facts VALUES (%b, %b) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
# A transaction that writes another token waits for this one, or this one for it.
_CHECK_SESSION = "SELECT 1 FROM geartrain_facts WHERE name = 'session' AND value = %b FOR SHARE"
_RENEW_SESSION = "UPDATE geartrain_facts SET value = %b WHERE name = 'session' AND value = ANY(%b::bigint[])"
_END_PREDECESSOR = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %b AND backend_start = %b::timestamptz"
)
_LOCK = 0x67656172  # "gear": advisory locks have numbers for names

# Schema 1 had a column for each field; those that went into the tagged fields.
_ADD_COLUMNS = (
    "ALTER TABLE geartrain_jobs ADD created_at bigint NOT NULL DEFAULT 0, ADD tagged bytea NOT NULL DEFAULT ''"
)
_OLD_NAMES = ", ".join(f'"{name}"' for name in OLD_COLUMNS)
_READ_OLD = (
    f"SELECT {_OLD_NAMES} FROM geartrain_jobs "  # noqa: S608
    "WHERE number > %b AND (run_at <> 0 OR retries <> 0 OR reducer <> '' OR schedule <> '') ORDER BY number LIMIT %b"
)
_SET_TAGGED = (
    "UPDATE geartrain_jobs SET tagged = new.tagged FROM unnest(%b::bigint[], %b::bytea[]) AS new (number, tagged) "
    "WHERE geartrain_jobs.number = new.number"
)
_DROP_COLUMNS = (
    "ALTER TABLE geartrain_jobs DROP run_at, DROP retries, DROP reducer, DROP schedule, DROP owner, "
    "ALTER created_at DROP DEFAULT, ALTER tagged DROP DEFAULT"
)

Connection: TypeAlias = psycopg.Connection[Any]


class PostgresStore(ThreadedStore):
    """Jobs in a PostgreSQL database.

    Args:
        conninfo: A URL or a connection string, as libpq has them.
        only_reads: Open the store for reading.
    """

    failures = (psycopg.Error, OSError)
    absences = (psycopg.OperationalError, OSError)

    def __init__(self, conninfo: str, *, only_reads: bool = False) -> None:
        parameters = psycopg.conninfo.conninfo_to_dict(conninfo)
        where = f"{parameters.get('dbname', '')} on {parameters.get('host', 'localhost')}"
        super().__init__(f"postgresql database {where}", only_reads=only_reads)
        self._conninfo = conninfo
        self._connection: Connection | None = None
        self._session = Session()
        self._backend: tuple[Any, Any] | None = None  # process and start of our last connection's server process

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "PostgresStore":
        """Return the store behind ``postgresql://user:password@host:port/database``, or a string of libpq's."""
        try:
            return cls(parts.geturl() if parts.netloc else unquote(parts.path), only_reads=only_reads)
        except psycopg.ProgrammingError as error:
            raise StoreError(f"not a PostgreSQL address: {error}") from error

    def _open(self) -> Opened:
        connection = self._connect()
        with connection.transaction():
            if self._only_reads:
                self._check_schema(self._version(connection), _SCHEMA_VERSION)
            else:
                connection.execute(_FACTS)
                self._migrate(connection)
                connection.execute(_SET_FACT, ("session", self._session.start()))
            row = connection.execute(
                "SELECT count(*), coalesce(max(number) FILTER (WHERE number < %b), 0), "
                "coalesce((SELECT value FROM geartrain_facts WHERE name = 'reserved'), 0) "
                "FROM geartrain_jobs",
                (TRANSIENT,),
            ).fetchone()
        assert row is not None, "an aggregate has one row"
        jobs, highest, reserved = row
        return Opened(max(highest, reserved), jobs)

    def _version(self, connection: Connection) -> int:
        row = None
        if connection.execute("SELECT to_regclass('geartrain_facts')").fetchone() != (None,):
            row = connection.execute("SELECT value FROM geartrain_facts WHERE name = 'schema'").fetchone()
        return int(row[0]) if row is not None else 0

    def _migrate(self, connection: Connection) -> None:
        version = self._version(connection)
        self._check_schema(version, _SCHEMA_VERSION)
        if version == 0:
            connection.execute(_JOBS)
        elif version == 1:
            self._migrate_from_1(connection)
        connection.execute(_SET_FACT, ("schema", _SCHEMA_VERSION))

    def _migrate_from_1(self, connection: Connection) -> None:
        connection.execute(_ADD_COLUMNS)
        after = -1
        while rows := connection.execute(_READ_OLD.encode(), (after, CHUNK), binary=True).fetchall():
            records = [from_old_row(row) for row in rows]
            numbers = [record.number for record in records]
            connection.execute(_SET_TAGGED, (numbers, [pack_tagged(record) for record in records]))
            after = numbers[-1]
        connection.execute(_DROP_COLUMNS)

    def _read(self, after: int) -> list[JobRecord]:
        rows = self._connected().execute(_READ.encode(), (after, CHUNK), binary=True)
        return [from_row(row) for row in rows]

    def _commit(self, changes: Sequence[Change]) -> None:
        connection = self._connected()
        try:
            with connection.pipeline():
                try:
                    connection.execute("BEGIN")
                    found = connection.execute(_CHECK_SESSION, (self._session.token,))
                    for change in changes:
                        self._CHANGES[type(change)](self, connection, change)
                except psycopg.OperationalError:
                    if not connection.broken:  # otherwise leaving the block raises it again, and psycopg logs nothing
                        raise
            if found.fetchone() is None:
                raise self._fenced()
            with self._doubt():
                connection.execute("COMMIT")
        except psycopg.Error as error:
            if self._is_conflict(error):
                connection.rollback()
            raise

    def _is_conflict(self, error: Exception) -> bool:
        conflicts = psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure
        return isinstance(error, (*conflicts, psycopg.errors.LockNotAvailable))

    def _put_new(self, connection: Connection, change: PutNew) -> None:
        self._put_records(connection, change.records())

    def _put(self, connection: Connection, change: Put) -> None:
        self._put_records(connection, change.records)

    def _put_records(self, connection: Connection, records: Sequence[JobRecord]) -> None:
        if records:
            columns = zip(*map(to_row, records), strict=True)
            connection.execute(_PUT.encode(), [[*column] for column in columns])

    def _forget(self, connection: Connection, change: Forget) -> None:
        connection.execute(_FORGET, (change.numbers,))

    def _reserve(self, connection: Connection, change: Reserve) -> None:
        connection.execute(_SET_FACT, ("reserved", change.until))

    def _connected(self) -> Connection:
        """Return the connection, or another one that continues the session."""
        connection = self._connection
        if connection is None or connection.closed:
            connection = self._connect(continues=not self._only_reads)
        return connection

    def _connect(self, *, continues: bool = False) -> Connection:
        connection = psycopg.connect(
            self._conninfo,
            autocommit=True,
            connect_timeout=5,
            options=f"-c statement_timeout={ANSWER_TIMEOUT}s",
            tcp_user_timeout=ANSWER_TIMEOUT * 1000,
            application_name="geartrain",
        )
        try:
            if self._only_reads:
                connection.execute("SET default_transaction_read_only = on")
            else:
                self._take_over(connection, continues=continues)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _take_over(self, connection: Connection, *, continues: bool) -> None:
        """Make sure that no other server, and no other connection of ours, changes anything."""
        connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}s'".encode())
        self._ask_for_syncs(connection)
        if continues:
            self._continue_session(connection)
        try:
            connection.execute("SELECT pg_advisory_lock(%b)", (_LOCK,))
        except psycopg.errors.LockNotAvailable as error:
            raise StoreError(f"{self.name}: another server uses it", CommitOutcome.NOT_STORED) from error
        self._backend = connection.execute(
            "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()

    def _continue_session(self, connection: Connection) -> None:
        """End what the connection before was about to do, and take its place."""
        if self._backend is not None:  # it may be in a batch, and has perhaps not noticed that we are gone
            connection.execute(_END_PREDECESSOR, self._backend)
        expected = self._session.renew()
        if connection.execute(_RENEW_SESSION, (self._session.token, expected)).rowcount == 0:
            raise self._fenced()
        self._session.confirm()

    def _fenced(self) -> StoreError:
        return StoreError(f"{self.name}: another server has taken it over", CommitOutcome.FENCED)

    def _ask_for_syncs(self, connection: Connection) -> None:
        """Let commits survive a power failure, as far as a connection can ask for it."""
        row = connection.execute("SELECT current_setting('synchronous_commit'), current_setting('fsync')").fetchone()
        assert row is not None, "a query without a table has one row"
        if row[0] == "off":
            connection.execute("SET synchronous_commit = on")
        if row[1] == "off":
            log.warning("%s: fsync is off, so a power failure destroys jobs", self.name)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _reset(self) -> None:
        self._close()

    _CHANGES: ClassVar[dict[type[Any], Callable[["PostgresStore", Connection, Any], None]]] = {
        PutNew: _put_new,
        Put: _put,
        Forget: _forget,
        Reserve: _reserve,
    }
