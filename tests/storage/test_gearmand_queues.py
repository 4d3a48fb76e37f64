# SPDX-License-Identifier: MIT
"""Persistent queues of Debian's gearmand, and of older and newer ones, are read as gearmand reads them."""

import contextlib
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import redis as redis_library

from geartrain import AdminClient, Client, Handle, Priority, ServerError
from geartrain.core.record import JobRecord
from geartrain.storage import StoreError
from geartrain.storage.gearmand import open_queue
from geartrain.storage.gearmand.postgres import PostgresQueue
from geartrain.testing import ServerProcess
from tests.job_servers import Gearmand
from tests.storage.engines import Engine
from tests.storage.places import mysql

pytestmark = pytest.mark.interop

SOME_DAY = 2_000_000_000  # gearmand has 32 bits for it in some of its tables
UUID = "123e4567-e89b-12d3-a456-426614174000"


class Place:
    """The place of a gearmand's queue: its options, and our URL."""

    def __init__(self, url: str, *options: str, knows_times: bool = True, keeps_order: bool = True) -> None:
        self.url = url
        self.options = options
        self.knows_times = knows_times
        self.keeps_order = keeps_order


@pytest.fixture(params=["sqlite", "postgres", "mysql", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    kind = request.param
    if kind == "sqlite":
        file = tmp_path / "queue.db"
        return Place(f"sqlite://{file}", "-q", "libsqlite3", f"--libsqlite3-db={file}")
    engine: Engine = request.getfixturevalue(f"{kind}_engine")
    if kind == "postgres":
        url = f"postgresql://postgres@127.0.0.1:{engine.port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS queue")
        conninfo = f"host=127.0.0.1 port={engine.port} user=postgres dbname=postgres"
        return Place(url, "-q", "postgres", f"--libpq-conninfo={conninfo}")
    if kind == "mysql":
        with mysql(engine) as cursor:
            cursor.execute("DROP TABLE IF EXISTS gearman_queue")
        where = ("--mysql-host=127.0.0.1", f"--mysql-port={engine.port}", "--mysql-user=geartrain", "--mysql-db=test")
        return Place(f"mysql://geartrain@127.0.0.1:{engine.port}/test", "-q", "mysql", *where)
    redis_library.Redis(port=engine.port).flushall()
    server = ("--redis-server=127.0.0.1", f"--redis-port={engine.port}")
    return Place(f"redis://127.0.0.1:{engine.port}", "-q", "redis", *server, knows_times=False, keeps_order=False)


def read(url: str, *, delete: bool = False) -> list[JobRecord]:
    with contextlib.closing(open_queue(url)) as queue:
        jobs = list(queue.jobs())
        if delete:
            queue.delete()
    return jobs


def essence(jobs: Sequence[JobRecord]) -> list[tuple[bytes, bytes, int, bytes, int]]:
    return [(job.function, job.unique, job.priority, job.workload, job.run_at // 1000) for job in jobs]


def test_our_server_refuses_such_a_queue_and_runs_its_jobs_after_the_command_in_its_error(
    place: Place, tmp_path: Path
) -> None:
    with Gearmand(tmp_path, *place.options).running() as gearmand, Client(gearmand.address) as client:
        client.submit_background("reverse", b"one", unique="u1")
    words = [*place.options, "--port=0", "--listen=127.0.0.1", f"--config-file={os.devnull}"]
    ours = [sys.executable, "-m", "geartrain"]

    refused = subprocess.run([*ours, "gearmand", *words], capture_output=True, text=True, check=False, timeout=60)

    assert refused.returncode == 1
    *_, reason, command = refused.stderr.splitlines()
    assert "has jobs of a C server" in reason
    imported = subprocess.run([*ours, *shlex.split(command)], capture_output=True, text=True, check=True, timeout=60)
    assert imported.stdout == "1 job stored\n"
    with ServerProcess(*place.options) as server, AdminClient(server.address) as admin:
        server.wait_for_line("Restored 1 job")
        assert [(row.function, row.total) for row in admin.status()] == [("reverse", 1)]


def test_the_queue_of_a_killed_gearmand_of_debian_is_read(place: Place, tmp_path: Path) -> None:
    when = SOME_DAY if place.knows_times else 0
    with Gearmand(tmp_path, *place.options).running() as gearmand, Client(gearmand.address) as client:
        client.submit_background("reverse", b"one", unique="u1", priority=Priority.HIGH)
        client.submit_background("send", b"\0zero\0 and \xff\xfe", unique=UUID, priority=Priority.LOW)
        client.submit_background("send", "'; DROP TABLE queue; --", unique="x' OR '1'='1")
        client.submit_background("send-mail", b"w" * 100_000, unique=UUID)
        client.submit_background("grüße", "ü", unique="ü")
        if when:
            client.submit_background("later", b"w", unique="u2", at=when)

    found = read(place.url)
    expected = [
        (b"reverse", b"u1", 0, b"one", 0),
        (b"send", UUID.encode(), 2, b"\0zero\0 and \xff\xfe", 0),
        (b"send", b"x' OR '1'='1", 1, b"'; DROP TABLE queue; --", 0),
        (b"send-mail", UUID.encode(), 1, b"w" * 100_000, 0),
        ("grüße".encode(), "ü".encode(), 1, "ü".encode(), 0),
        *([(b"later", b"u2", 1, b"w", when)] if when else []),
    ]
    assert (essence(found) if place.keeps_order else sorted(essence(found))) == (
        expected if place.keeps_order else sorted(expected)
    )
    assert len({job.handle for job in found}) == len(found)
    assert sorted(job.handle for job in read(place.url)) == sorted(job.handle for job in found)
    assert len(read(place.url, delete=True)) == len(found)
    assert read(place.url) == []


def test_jobs_without_a_unique_are_what_gearmand_has_of_them(place: Place, tmp_path: Path) -> None:
    """It keeps one of a function, and refuses or forgets the others (protocol 7.5)."""
    handles: list[Handle] = []
    with Gearmand(tmp_path, *place.options).running() as gearmand, Client(gearmand.address) as client:
        for workload in (b"first", b"second"):
            with contextlib.suppress(ServerError):
                handles.append(client.submit_background("f", workload, unique=""))

    found = read(place.url)

    assert handles
    assert [(job.function, job.unique) for job in found] == [(b"f", b"")]
    assert found[0].workload in (b"first", b"second")


def test_only_what_was_read_is_deleted(place: Place, tmp_path: Path) -> None:
    gearmand = Gearmand(tmp_path, *place.options)
    with gearmand.running(), Client(gearmand.address) as client:
        client.submit_background("f", b"old", unique="u1")

    with contextlib.closing(open_queue(place.url)) as queue:
        assert len(list(queue.jobs())) == 1
        with gearmand.running(), Client(gearmand.address) as client:
            client.submit_background("f", b"new", unique="u2")
        queue.delete()

    assert [job.workload for job in read(place.url)] == [b"new"]


class TestSQLite:
    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "queue.db"
        self.url = f"sqlite://{self.path}"

    def fill(self, table: str, *rows: tuple[object, ...]) -> None:
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(table)
            name = table.split("TABLE ")[1].split(" (")[0]
            for row in rows:
                connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608

    def test_a_table_from_before_there_was_a_time_is_read(self) -> None:
        self.fill(
            "CREATE TABLE gearman_queue (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, "
            "PRIMARY KEY (unique_key, function_name))",
            ("u", "f", 2, b"w"),
        )

        assert essence(read(self.url)) == [(b"f", b"u", 2, b"w", 0)]

    def test_nulls_are_an_empty_workload_and_no_time(self) -> None:
        self.fill(
            "CREATE TABLE gearman_queue (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, "
            "when_to_run INTEGER)",
            ("u", "f", None, None, None),
            (None, "f", 7, None, 0),
        )

        assert essence(read(self.url)) == [(b"f", b"u", 1, b"", 0), (b"f", b"", 1, b"", 0)]

    def test_an_empty_workload_of_debians_gearmand_is_read(self, tmp_path: Path) -> None:
        gearmand = Gearmand(tmp_path, "-q", "libsqlite3", f"--libsqlite3-db={self.path}")
        with gearmand.running(), Client(gearmand.address) as client:
            client.submit_background("f", b"", unique="u")

        assert essence(read(self.url)) == [(b"f", b"u", 1, b"", 0)]

    def test_another_table_can_be_named(self) -> None:
        self.fill(
            'CREATE TABLE "my ""queue" (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB)',
        )

        assert read(f"{self.url}?table=my+%22queue") == []

    def test_a_table_that_is_no_queue_is_refused(self) -> None:
        self.fill("CREATE TABLE jobs (number INTEGER)")

        with pytest.raises(StoreError, match="table jobs is not a queue of gearmand: it has no data, function_name"):
            read(f"{self.url}?table=jobs")

    def test_a_file_that_is_missing_is_not_made(self) -> None:
        with pytest.raises(StoreError, match="there is no such file"):
            read(self.url)
        assert not self.path.exists()

    def test_a_file_that_is_no_database_is_named(self) -> None:
        self.path.write_text("letters" * 1000)

        with pytest.raises(StoreError, match=r"queue\.db.*not a database"):
            read(self.url)


class TestPostgres:
    def test_a_connection_string_is_taken_in_place_of_an_address(self, postgres_engine: Engine) -> None:
        conninfo = f"host=127.0.0.1 port={postgres_engine.port} user=postgres dbname=postgres"

        url = urlsplit(f"postgresql:{quote(conninfo)}?table=anything")
        with contextlib.closing(PostgresQueue.from_url(url)) as queue:
            assert queue.name == "postgresql database postgres, table anything"

    def test_a_table_from_before_there_was_a_time_is_read(self, postgres_engine: Engine) -> None:
        url = f"postgresql://postgres@127.0.0.1:{postgres_engine.port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS old")
            connection.execute("CREATE TABLE old (unique_key text, function_name text, priority int, data bytea)")
            connection.execute("INSERT INTO old VALUES (NULL, 'f', NULL, NULL), ('u', 'f', 0, 'w')")

        assert essence(read(f"{url}?table=old")) == [(b"f", b"", 1, b"", 0), (b"f", b"u", 0, b"w", 0)]

    def test_rows_that_change_meanwhile_are_not_deleted(self, postgres_engine: Engine) -> None:
        url = f"postgresql://postgres@127.0.0.1:{postgres_engine.port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS changing")
            connection.execute("CREATE TABLE changing (unique_key text, function_name text, priority int, data bytea)")
            connection.execute("INSERT INTO changing VALUES ('u', 'f', 0, 'w')")
            with contextlib.closing(open_queue(f"{url}?table=changing")) as queue:
                assert len(list(queue.jobs())) == 1
                connection.execute("UPDATE changing SET data = 'new'")
                with pytest.raises(StoreError, match="concurrent update"):
                    queue.delete()

        assert [job.workload for job in read(f"{url}?table=changing")] == [b"new"]

    @pytest.mark.parametrize(
        ("table", "problem"), [("missing", "no such table"), ("pg_class", "is not a queue of gearmand")]
    )
    def test_a_table_that_is_no_queue_is_refused(self, postgres_engine: Engine, table: str, problem: str) -> None:
        with pytest.raises(StoreError, match=problem):
            read(f"postgresql://postgres@127.0.0.1:{postgres_engine.port}/postgres?table={table}")


class TestMySQL:
    def test_a_table_from_before_there_was_a_time_is_read(self, mysql_engine: Engine) -> None:
        with mysql(mysql_engine) as cursor:
            cursor.execute("DROP TABLE IF EXISTS old")
            cursor.execute(
                "CREATE TABLE old (unique_key varchar(64), function_name varchar(255), priority int, data longblob)"
            )
            cursor.execute("INSERT INTO old VALUES (NULL, 'f', NULL, NULL), ('u', 'f', 0, 'w')")

        found = read(f"mysql://geartrain@127.0.0.1:{mysql_engine.port}/test?table=old")

        assert essence(found) == [(b"f", b"", 1, b"", 0), (b"f", b"u", 0, b"w", 0)]

    @pytest.mark.parametrize("words", ["table=missing", "charset=klingon"])
    def test_an_error_names_the_missing_table_or_charset(self, mysql_engine: Engine, words: str) -> None:
        with pytest.raises(StoreError, match=r"missing|klingon|charset"):
            read(f"mysql://geartrain@127.0.0.1:{mysql_engine.port}/test?{words}")


class TestRedis:
    @pytest.fixture(autouse=True)
    def empty(self, redis_engine: Engine) -> None:
        self.redis = redis_library.Redis(port=redis_engine.port)
        self.redis.flushall()
        self.url = f"redis://127.0.0.1:{redis_engine.port}"

    def test_the_plain_strings_of_old_versions_are_read(self) -> None:
        self.redis.set("_gear_-f-u", b"\0\0w")

        assert essence(read(self.url)) == [(b"f", b"u", 1, b"\0\0w", 0)]

    def test_the_fields_of_2_0_win_over_the_key(self) -> None:
        for name, value in {"function": "send-mail", "unique": "a-b", "data": "w", "priority": "2"}.items():
            self.redis.hset("_gear_-send-mail-a-b", name, value)

        assert essence(read(self.url)) == [(b"send-mail", b"a-b", 2, b"w", 0)]

    def test_functions_with_a_dash_can_be_named(self) -> None:
        for key in ("a-b-u-v", "a-u", "a-b-c-u", f"x-y-{UUID}", f"y-z-{'0f' * 16}"):
            self.redis.set(f"_gear_-{key}", b"w")

        found = read(f"{self.url}?function=a-b&function=a-b-c")

        assert {(job.function, job.unique) for job in found} == {
            (b"a-b", b"u-v"),
            (b"a", b"u"),
            (b"a-b-c", b"u"),
            (b"x-y", UUID.encode()),
            (b"y-z", b"0f" * 16),
        }

    def test_other_keys_and_other_peoples_types_are_left_alone(self) -> None:
        self.redis.set("_gear_x", b"w")
        self.redis.set("_gearX-f-u", b"w")
        self.redis.lpush("_gear_-f-list", b"w")
        self.redis.hset("_gear_-f-hash", "something", b"else")
        self.redis.set("*-f-u", b"w")

        assert read(self.url, delete=True) == []
        assert len(read(f"{self.url}?prefix=*")) == 1
        assert self.redis.dbsize() == 5

    def test_more_keys_than_come_at_once_are_read_and_deleted(self) -> None:
        for number in range(1700):
            self.redis.set(f"_gear_-f-{number}", b"%d" % number)

        assert sorted(int(job.workload) for job in read(self.url, delete=True)) == list(range(1700))
        assert self.redis.dbsize() == 0


@pytest.mark.parametrize(
    "url",
    [
        "nothing://x",
        "/just/a/path",
        "sqlite:",
        "sqlite://host/file",
        "redis://host:port",
        "redis://127.0.0.1:1",
        "mysql://host:port",
        "mysql://127.0.0.1:1/test",
        "postgresql://127.0.0.1:1/postgres",
        "postgresql:nonsense",
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        read(url)
