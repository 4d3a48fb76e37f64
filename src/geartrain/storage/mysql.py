# SPDX-License-Identifier: MIT
"""Jobs in MariaDB or MySQL. The extra ``mysql`` brings the library.

A batch is one transaction, with one statement for as many rows as the server takes in a packet. A workload that is
larger than a packet is kept in pieces. How safe a commit is, ``innodb_flush_log_at_trx_commit`` of the server says.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.address import Address
from geartrain.storage.store import CHUNK, Opened, StoreError, needed
from geartrain.storage.threaded import FAREWELL, PATIENCE, ThreadedStore

with needed("mysql"):
    import pymysql

__all__ = ["MySQLStore"]

PORT = 3306
DATABASE = "gearman"

_SCHEMA_VERSION = 1
# Here a statement about tables is a transaction by itself: a step may find what it made when it was broken off.
_MIGRATIONS: dict[int, Sequence[str]] = {
    1: (
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
            run_at bigint NOT NULL,
            retries integer NOT NULL,
            reducer blob NOT NULL,
            schedule blob NOT NULL,
            owner varchar(255) CHARACTER SET utf8mb4 NOT NULL
        ) ENGINE=InnoDB""",
        """CREATE TABLE IF NOT EXISTS geartrain_pieces (
            number bigint NOT NULL,
            piece integer NOT NULL,
            data longblob NOT NULL,
            PRIMARY KEY (number, piece)
        ) ENGINE=InnoDB""",
    ),
}
_SET_FACT = "REPLACE INTO geartrain_facts VALUES (%s, %s)"
_ROW = f"({','.join(['%s'] * len(JobRecord._fields))})"
_LOCK = "geartrain"
# Bytes. One may travel as two, and the least that a server takes in a packet by default is 4 MiB.
_PIECE = 1024 * 1024
_ROWS = 500  # in one statement at most


class MySQLStore(ThreadedStore):
    """Jobs in a MariaDB or MySQL database.

    Args:
        host: Where the server is.
        port: Its port.
        user: Our name there.
        password: And what proves it.
        database: The database, which has to be there.
        unix_socket: A socket in the file system, instead of host and port.
        only_reads: Whether it is only looked at.
    """

    failures = (pymysql.MySQLError, OSError)

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
        self._connection: pymysql.Connection[pymysql.cursors.Cursor] | None = None

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
        connection = self._connected()
        with connection.cursor() as cursor:
            version = self._version(cursor)
            self._check_schema(version, _SCHEMA_VERSION)
            self._migrate(cursor, version)
            cursor.execute("SELECT count(*), coalesce(max(number), 0) FROM geartrain_jobs")
            ((jobs, highest),) = cursor.fetchall()
            cursor.execute("SELECT value FROM geartrain_facts WHERE name = 'reserved'")
            reserved = cursor.fetchone()
        connection.commit()
        return Opened(max(highest, reserved[0] if reserved else 0), jobs)

    def _version(self, cursor: pymysql.cursors.Cursor) -> int:
        """Return what the tables are made for, or 0 if there are none."""
        cursor.execute("SHOW TABLES LIKE 'geartrain_facts'")
        if not cursor.fetchall():
            return 0
        cursor.execute("SELECT value FROM geartrain_facts WHERE name = 'schema'")
        row = cursor.fetchone()
        return int(row[0]) if row else 0

    def _migrate(self, cursor: pymysql.cursors.Cursor, version: int) -> None:
        for step in range(version + 1, _SCHEMA_VERSION + 1):
            for statement in _MIGRATIONS[step]:
                cursor.execute(statement)
            cursor.execute(_SET_FACT, ("schema", step))

    def _read(self, after: int) -> list[JobRecord]:
        connection = self._connected()
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM geartrain_jobs WHERE number > %s ORDER BY number LIMIT %s", (after, CHUNK))
            jobs = [JobRecord._make(row) for row in cursor.fetchall()]
            if jobs:
                jobs = list(self._completed(cursor, jobs))
        connection.commit()
        return jobs

    def _completed(self, cursor: pymysql.cursors.Cursor, jobs: Sequence[JobRecord]) -> Iterator[JobRecord]:
        """Yield jobs with the pieces of their workloads joined."""
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
                yield job._replace(workload=bytes(workload))
            else:
                yield job

    def _commit(self, batch: Batch) -> None:
        connection = self._connected()
        connection.begin()
        with connection.cursor() as cursor:
            for jobs in _portions(batch.stored):
                rows = ",".join([_ROW] * len(jobs))
                values = [value for job in jobs for value in job._replace(workload=job.workload[:_PIECE])]
                cursor.execute(f"REPLACE INTO geartrain_jobs VALUES {rows}", values)  # noqa: S608
            for job in batch.stored:
                for piece in range(1, -(-len(job.workload) // _PIECE)):
                    data = job.workload[piece * _PIECE : (piece + 1) * _PIECE]
                    cursor.execute("REPLACE INTO geartrain_pieces VALUES (%s, %s, %s)", (job.number, piece, data))
            if batch.finished:
                numbers = list(batch.finished)
                cursor.execute("DELETE FROM geartrain_jobs WHERE number IN %s", (numbers,))
                cursor.execute("DELETE FROM geartrain_pieces WHERE number IN %s", (numbers,))
            if batch.reserve:
                cursor.execute(_SET_FACT, ("reserved", batch.reserve))
            if not any(batch):
                cursor.execute("SELECT 1")
        connection.commit()

    def _connected(self) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        if self._connection is None:
            host, port, user, password, database, unix_socket = self._where
            self._connection = pymysql.connect(
                host=host,
                port=port,
                user=user,
                password=password,
                database=database,
                unix_socket=unix_socket,
                charset="utf8mb4",
                connect_timeout=5,
                read_timeout=PATIENCE,
                write_timeout=PATIENCE,
            )
            with self._connection.cursor() as cursor:
                if self._only_reads:
                    cursor.execute("SET SESSION TRANSACTION READ ONLY")
                    return self._connection
                cursor.execute("SELECT get_lock(%s, %s)", (f"{_LOCK}.{database}", FAREWELL))
                if cursor.fetchall() != ((1,),):
                    raise StoreError(f"{self.name}: another server uses it")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None

    def _reset(self) -> None:
        self._close()


def _portions(jobs: Sequence[JobRecord]) -> Iterator[Sequence[JobRecord]]:
    """Yield jobs in portions that fit into a packet."""
    portion: list[JobRecord] = []
    weight = 0
    for job in jobs:
        size = sum(map(len, (job.handle, job.function, job.unique, job.workload[:_PIECE]))) + 1000
        if portion and (weight + size > _PIECE or len(portion) == _ROWS):
            yield portion
            portion, weight = [], 0
        portion.append(job)
        weight += size
    if portion:
        yield portion
