# SPDX-License-Identifier: MIT
"""Jobs in MariaDB or MySQL. The extra ``mysql`` brings the library.

A batch is one transaction, with one statement for as many rows as the server takes in a packet
(``max_allowed_packet``). A workload that is larger is kept in pieces, so that no job is too large. A batch is stored
only if the store still has the token of its connection; see `geartrain.storage.session`.

``innodb_flush_log_at_trx_commit`` of the server decides if a commit is synced; a connection cannot ask for it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias
from urllib.parse import SplitResult

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import pack_tagged
from geartrain.core.record import JobRecord
from geartrain.storage.address import Address
from geartrain.storage.columns import COLUMNS, OLD_COLUMNS, Row, from_old_row, from_row, to_row
from geartrain.storage.session import Session
from geartrain.storage.store import CHUNK, CommitOutcome, Opened, StoreError, needed
from geartrain.storage.threaded import ANSWER_TIMEOUT, LOCK_TIMEOUT, ThreadedStore

with needed("mysql"):
    import pymysql
    from pymysql.constants import ER

__all__ = ["MySQLStore"]

log = logging.getLogger("geartrain.store")

PORT = 3306
DATABASE = "gearman"

_SCHEMA_VERSION = 2
# Here a statement about tables is a transaction by itself: tables may have been made or changed in part.
_TABLES = (
    """CREATE TABLE IF NOT EXISTS geartrain_facts (
        name varchar(64) PRIMARY KEY,
        value bigint NOT NULL
    ) ENGINE=InnoDB""",
    """CREATE TABLE IF NOT EXISTS geartrain_jobs (
        number bigint PRIMARY KEY,
        handle blob NOT NULL,
        `function` blob NOT NULL,
        `unique` blob NOT NULL,
        priority tinyint NOT NULL,
        workload longblob NOT NULL,
        created_at bigint NOT NULL,
        tagged longblob NOT NULL
    ) ENGINE=InnoDB""",
    """CREATE TABLE IF NOT EXISTS geartrain_pieces (
        number bigint NOT NULL,
        piece integer NOT NULL,
        data longblob NOT NULL,
        PRIMARY KEY (number, piece)
    ) ENGINE=InnoDB""",
)
_NAMES = ", ".join(f"`{name}`" for name in COLUMNS)
_PUT = f"REPLACE INTO geartrain_jobs ({_NAMES}) VALUES "  # noqa: S608
_ROW = f"({','.join(['%s'] * len(COLUMNS))})"
_READ = f"SELECT {_NAMES} FROM geartrain_jobs WHERE number > %s ORDER BY number LIMIT %s"  # noqa: S608
_SET_FACT = "REPLACE INTO geartrain_facts VALUES (%s, %s)"
# A transaction that writes another token waits for this one, or this one for it.
_CHECK_SESSION = "SELECT 1 FROM geartrain_facts WHERE name = 'session' AND value = %s LOCK IN SHARE MODE"
_RENEW_SESSION = "UPDATE geartrain_facts SET value = %s WHERE name = 'session' AND value IN %s"
_LOCK = "geartrain"
# Bytes of a piece at most. If max_allowed_packet is small, so are the pieces: a byte may travel as two, and the other
# columns of a row need room too.
_PIECE = 1024 * 1024
_OTHERS = 64 * 1024
_SMALLEST_PACKET = 128 * 1024
_NUMBER = 20  # bytes of a job's number in a statement
_ROWS = 500  # in one statement at most

# Schema 1 had a column for each field; those that went into the tagged fields.
_ADD_COLUMNS = "ALTER TABLE geartrain_jobs ADD created_at bigint NOT NULL DEFAULT 0, ADD tagged longblob NOT NULL"
_OLD_NAMES = ", ".join(f"`{name}`" for name in OLD_COLUMNS)
_READ_OLD = (
    f"SELECT {_OLD_NAMES} FROM geartrain_jobs "  # noqa: S608
    "WHERE number > %s AND (run_at <> 0 OR retries <> 0 OR reducer <> '' OR schedule <> '') ORDER BY number LIMIT %s"
)
_DROP_COLUMNS = (
    "ALTER TABLE geartrain_jobs DROP run_at, DROP retries, DROP reducer, DROP schedule, DROP owner, "
    "ALTER created_at DROP DEFAULT"
)

Cursor: TypeAlias = pymysql.cursors.Cursor
Connection: TypeAlias = "pymysql.Connection[Cursor]"  # at run time it is not generic


class MySQLStore(ThreadedStore):
    """Jobs in a MariaDB or MySQL database.

    Args:
        host: The server's host.
        port: Its port.
        user: The name to log in with.
        password: Its password.
        database: The database, which must exist.
        unix_socket: A socket in the file system, instead of host and port.
        only_reads: Open the store for reading.
    """

    failures = (pymysql.MySQLError, OSError)
    absences = (pymysql.err.OperationalError, OSError)

    def __init__(
        self,
        host: str = "localhost",
        port: int = PORT,
        user: str | None = None,
        password: str = "",
        database: str = DATABASE,
        unix_socket: str | None = None,
        *,
        only_reads: bool = False,
    ) -> None:
        super().__init__(f"mysql database {database} on {unix_socket or f'{host}:{port}'}", only_reads=only_reads)
        self._where = (host, port, user, password, database, unix_socket)
        self._connection: Connection | None = None
        self._session = Session()
        self._piece = _PIECE
        self._thread_id: int | None = None  # the server's name for our last connection

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "MySQLStore":
        """Return the store behind ``mysql://user:password@host:port/database?unix_socket=/path``."""
        where = Address.read(parts, "MySQL", PORT)
        return cls(
            where.host,
            where.port,
            where.user,
            where.password,
            where.database or DATABASE,
            where.options.get("unix_socket"),
            only_reads=only_reads,
        )

    def _open(self) -> Opened:
        connection = self._connect()
        with connection.cursor() as cursor:
            version = self._version(cursor)
            self._check_schema(version, _SCHEMA_VERSION)
            if version < _SCHEMA_VERSION:
                self._migrate(cursor)
            if not self._only_reads:
                cursor.execute(_SET_FACT, ("session", self._session.start()))
            cursor.execute(
                "SELECT count(*), coalesce(max(IF(number < %s, number, 0)), 0) FROM geartrain_jobs", (TRANSIENT,)
            )
            ((jobs, highest),) = cursor.fetchall()
            cursor.execute("SELECT value FROM geartrain_facts WHERE name = 'reserved'")
            reserved = cursor.fetchone()
        connection.commit()
        return Opened(max(highest, reserved[0] if reserved else 0), jobs)

    def _version(self, cursor: Cursor) -> int:
        """Return the schema of the tables, or 0 if there are none."""
        cursor.execute("SHOW TABLES LIKE 'geartrain_facts'")
        if not cursor.fetchall():
            return 0
        cursor.execute("SELECT value FROM geartrain_facts WHERE name = 'schema'")
        row = cursor.fetchone()
        return int(row[0]) if row else 0

    def _migrate(self, cursor: Cursor) -> None:
        """Create or change tables; each step looks at what is there, as an earlier attempt may have broken off."""
        for statement in _TABLES:
            cursor.execute(statement)
        cursor.execute("SHOW COLUMNS FROM geartrain_jobs")
        columns = {column[0] for column in cursor.fetchall()}
        if "tagged" not in columns:
            cursor.execute(_ADD_COLUMNS)
        if "owner" in columns:
            self._fill_tagged(cursor)
            cursor.execute(_DROP_COLUMNS)
        cursor.execute(_SET_FACT, ("schema", _SCHEMA_VERSION))

    def _fill_tagged(self, cursor: Cursor) -> None:
        after = -1
        while cursor.execute(_READ_OLD, (after, CHUNK)):
            for row in cursor.fetchall():
                record = from_old_row(row)
                cursor.execute(
                    "UPDATE geartrain_jobs SET tagged = %s WHERE number = %s", (pack_tagged(record), record.number)
                )
                after = record.number

    def _read(self, after: int) -> list[JobRecord]:
        connection = self._connected()
        with connection.cursor() as cursor:
            cursor.execute(_READ, (after, CHUNK))
            jobs = [from_row(row) for row in cursor.fetchall()]
            if jobs:
                self._join_pieces(cursor, jobs)
        connection.commit()
        return jobs

    def _join_pieces(self, cursor: Cursor, jobs: Sequence[JobRecord]) -> None:
        """Complete the workloads that are kept in pieces."""
        first, last = jobs[0].number, jobs[-1].number
        cursor.execute("SELECT DISTINCT number FROM geartrain_pieces WHERE number BETWEEN %s AND %s", (first, last))
        in_pieces = {number for (number,) in cursor.fetchall()}
        for job in jobs:
            if job.number in in_pieces:
                workload = bytearray(job.workload)
                cursor.execute("SELECT piece FROM geartrain_pieces WHERE number = %s ORDER BY piece", (job.number,))
                for (piece,) in cursor.fetchall():
                    cursor.execute(
                        "SELECT data FROM geartrain_pieces WHERE number = %s AND piece = %s", (job.number, piece)
                    )
                    ((data,),) = cursor.fetchall()
                    workload += data
                job.workload = bytes(workload)

    def _commit(self, changes: Sequence[Change]) -> None:
        connection = self._connected()
        try:
            connection.begin()
            with connection.cursor() as cursor:
                if not cursor.execute(_CHECK_SESSION, (self._session.token,)):
                    raise self._fenced()
                for change in changes:
                    self._CHANGES[type(change)](self, cursor, change)
            with self._doubt():
                connection.commit()
        except pymysql.MySQLError as error:
            if self._is_conflict(error):
                connection.rollback()
            raise

    def _is_conflict(self, error: Exception) -> bool:
        return error.args[:1] in ((ER.LOCK_DEADLOCK,), (ER.LOCK_WAIT_TIMEOUT,))

    def _put_new(self, cursor: Cursor, change: PutNew) -> None:
        self._put_records(cursor, change.records())

    def _put(self, cursor: Cursor, change: Put) -> None:
        # The pieces of a job may have been larger, and fewer or more, when it was stored.
        self._delete(cursor, "geartrain_pieces", [record.number for record in change.records])
        self._put_records(cursor, change.records)

    def _put_records(self, cursor: Cursor, records: Sequence[JobRecord]) -> None:
        size = self._piece
        for rows in _portions(map(to_row, records), size):
            values = [value for row in rows for value in row]
            cursor.execute(_PUT + ",".join([_ROW] * len(rows)), values)
        for record in records:
            for piece in range(1, -(-len(record.workload) // size)):
                data = record.workload[piece * size : (piece + 1) * size]
                cursor.execute("REPLACE INTO geartrain_pieces VALUES (%s, %s, %s)", (record.number, piece, data))

    def _forget(self, cursor: Cursor, change: Forget) -> None:
        for table in ("geartrain_jobs", "geartrain_pieces"):
            self._delete(cursor, table, change.numbers)

    def _delete(self, cursor: Cursor, table: str, numbers: Sequence[int]) -> None:
        """Delete the rows of jobs, as many at a time as a packet has room for."""
        portion = self._piece // _NUMBER
        for start in range(0, len(numbers), portion):
            some = numbers[start : start + portion]
            cursor.execute(f"DELETE FROM {table} WHERE number IN %s", (some,))  # noqa: S608  # one of our own names

    def _reserve(self, cursor: Cursor, change: Reserve) -> None:
        cursor.execute(_SET_FACT, ("reserved", change.until))

    def _connected(self) -> Connection:
        """Return the connection, or another one that continues the session."""
        if self._connection is not None:
            return self._connection
        return self._connect(continues=not self._only_reads)

    def _connect(self, *, continues: bool = False) -> Connection:
        host, port, user, password, database, unix_socket = self._where
        connection = pymysql.connect(
            host=host,
            port=port,
            user=user,
            password=password,
            database=database,
            unix_socket=unix_socket,
            charset="utf8mb4",
            connect_timeout=5,
            read_timeout=ANSWER_TIMEOUT,
            write_timeout=ANSWER_TIMEOUT,
        )
        try:
            with connection.cursor() as cursor:
                if self._only_reads:
                    cursor.execute("SET SESSION TRANSACTION READ ONLY")
                else:
                    self._fit_into_packets(cursor)
                    self._take_over(cursor, f"{_LOCK}.{database}", continues=continues)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _fit_into_packets(self, cursor: Cursor) -> None:
        """Choose the size of the pieces of a workload."""
        cursor.execute("SELECT @@max_allowed_packet")
        ((packet,),) = cursor.fetchall()
        if packet < _SMALLEST_PACKET:
            raise StoreError(
                f"{self.name}: max_allowed_packet of {packet} bytes is too small; it needs {_SMALLEST_PACKET}",
                CommitOutcome.NOT_STORED,
            )
        self._piece = min(_PIECE, (packet - _OTHERS) // 2)

    def _take_over(self, cursor: Cursor, lock: str, *, continues: bool) -> None:
        """Make sure that no other server, and no other connection of ours, changes anything."""
        cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", (LOCK_TIMEOUT,))
        if continues:
            self._continue_session(cursor, lock)
        cursor.execute("SELECT get_lock(%s, %s)", (lock, LOCK_TIMEOUT))
        if cursor.fetchall() != ((1,),):
            raise StoreError(f"{self.name}: another server uses it", CommitOutcome.NOT_STORED)
        self._look_for_syncs(cursor)
        cursor.execute("SELECT connection_id()")
        ((self._thread_id,),) = cursor.fetchall()

    def _continue_session(self, cursor: Cursor, lock: str) -> None:
        """End what the connection before was about to do, and take its place."""
        cursor.execute("SELECT is_used_lock(%s)", (lock,))
        if cursor.fetchall() == ((self._thread_id,),):  # the server has perhaps not noticed that we are gone
            cursor.execute("KILL CONNECTION %s", (self._thread_id,))
        expected = self._session.renew()
        if not cursor.execute(_RENEW_SESSION, (self._session.token, expected)):
            raise self._fenced()
        cursor.connection.commit()
        self._session.confirm()

    def _fenced(self) -> StoreError:
        return StoreError(f"{self.name}: another server has taken it over", CommitOutcome.FENCED)

    def _look_for_syncs(self, cursor: Cursor) -> None:
        """Warn when a commit does not survive a power failure."""
        cursor.execute("SELECT @@innodb_flush_log_at_trx_commit")
        ((setting,),) = cursor.fetchall()
        if setting not in (1, 3):  # 3 is MariaDB's, and as safe
            log.warning(
                "%s: innodb_flush_log_at_trx_commit is %s, so a power failure loses the jobs of about a second",
                self.name,
                setting,
            )

    def _close(self) -> None:
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None

    def _reset(self) -> None:
        self._close()

    _CHANGES: ClassVar[dict[type[Any], Callable[["MySQLStore", Cursor, Any], None]]] = {
        PutNew: _put_new,
        Put: _put,
        Forget: _forget,
        Reserve: _reserve,
    }


def _portions(rows: Iterator[Row], piece: int) -> Iterator[list[Row]]:
    """Yield rows in portions that fit into a packet, each workload cut off where its other pieces begin."""
    portion: list[Row] = []
    weight = 0
    for number, handle, function, unique, priority, workload, created_at, tagged in rows:
        row = (number, handle, function, unique, priority, workload[:piece], created_at, tagged)
        size = len(handle) + len(function) + len(unique) + len(row[5]) + len(tagged) + 1000
        if portion and (weight + size > piece or len(portion) == _ROWS):
            yield portion
            portion, weight = [], 0
        portion.append(row)
        weight += size
    if portion:
        yield portion
