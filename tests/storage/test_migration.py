# SPDX-License-Identifier: MIT
"""Stores that earlier versions left behind: files, tables, keys and exports; see `fixtures/make.py`."""

import asyncio
import base64
import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pymemcache.client.base import Client
from redis import Redis

from geartrain import AdminClient
from geartrain.core.changes import Change, Forget, Put, Reserve
from geartrain.core.record import JobRecord
from geartrain.storage import Opened, StoreError, open_store
from geartrain.storage.jsonlines import read_lines
from geartrain.testing import run_server
from geartrain.testing.stores import put_new
from tests.storage.engines import Engine
from tests.storage.fixtures.jobs import JOBS, RESERVED
from tests.storage.places import clear, mysql, url_of

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = [
    JobRecord(
        job["number"],
        job["handle"],
        job["function"],
        job["unique"],
        job["priority"],
        job["workload"],
        run_at=min(job.get("run_at", 0) * 1000, 2**63 - 1),
        losses=job.get("retries", 0),
        reducer=job.get("reducer", b""),
        schedule=job.get("schedule", b""),
    )
    for job in JOBS
]


def fixture(name: str) -> bytes:
    return gzip.decompress((FIXTURES / f"{name}.gz").read_bytes())


def load_sqlite(name: str, _: Engine | None, folder: Path) -> None:
    (folder / "jobs.db").write_bytes(fixture(f"{name}.db"))


def load_postgres(name: str, engine: Engine | None, folder: Path) -> None:
    assert engine is not None
    with psycopg.connect(url_of("postgres", engine.port, folder), autocommit=True) as connection:
        connection.execute(fixture(f"{name}.sql"))


def load_mysql(name: str, engine: Engine | None, _: Path) -> None:
    assert engine is not None
    with mysql(engine) as cursor:
        for statement in fixture(f"{name}.sql").decode().split(";\n"):
            if statement.strip():
                cursor.execute(statement)


def load_redis(name: str, engine: Engine | None, folder: Path) -> None:
    assert engine is not None
    with closing(Redis(port=engine.port)) as redis:
        for key, fields in json.loads(fixture(f"{name}.json")).items():
            values = {field: base64.b64decode(value) for field, value in fields.items()}
            redis.hset(key.replace("geartrain", folder.name, 1), mapping=values)


def load_memcached(name: str, engine: Engine | None, folder: Path) -> None:
    assert engine is not None
    with closing(Client(("127.0.0.1", engine.port))) as memcached:
        for key, value in json.loads(fixture(f"{name}.json")).items():
            assert memcached.set(key.replace("geartrain", folder.name, 1), base64.b64decode(value), noreply=False)


LOADERS: dict[str, Callable[[str, Engine | None, Path], None]] = {
    "sqlite": load_sqlite,
    "postgres": load_postgres,
    "mysql": load_mysql,
    "redis": load_redis,
    "memcached": load_memcached,
}


@pytest.fixture(params=["sqlite-1", "sqlite-2", "postgres-1", "mysql-1", "redis-1", "memcached-1"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that an earlier version has left."""
    kind = request.param.split("-")[0]
    engine: Engine | None = None if kind == "sqlite" else request.getfixturevalue(f"{kind}_engine")
    if engine is not None:
        clear(kind, engine)
    LOADERS[kind](request.param, engine, tmp_path)
    return url_of(kind, engine.port if engine is not None else 0, tmp_path)


def use(url: str, *batches: list[Change], only_reads: bool = False) -> tuple[Opened, list[JobRecord]]:
    """Open a store, read its jobs, and commit to it."""

    async def run() -> tuple[Opened, list[JobRecord]]:
        store = open_store(url, only_reads=only_reads)
        opened = await store.open()
        try:
            found = [record async for records in store.replay() for record in records]
            for batch in batches:
                await store.commit(batch)
        finally:
            await store.close()
        return opened, found

    return asyncio.run(run())


def test_all_jobs_are_there_with_all_that_was_known_of_them(url: str) -> None:
    opened, found = use(url)

    assert opened == Opened(RESERVED, len(EXPECTED))
    assert found == EXPECTED


def test_a_store_that_was_migrated_is_used_like_any_other(url: str) -> None:
    forgotten = [job.number for job in EXPECTED[10:] if job.number % 3]
    changed = EXPECTED[1].replace(losses=9, unknown=((99, b"later"),))
    new = [JobRecord(RESERVED + number, b"H:%d" % number, b"f", created_at=5) for number in range(1, 101)]
    use(url, [Forget(forgotten), Put([changed])], [put_new(new), Reserve(RESERVED + 200)])

    opened, found = use(url)

    kept = [changed if job.number == changed.number else job for job in EXPECTED if job.number not in set(forgotten)]
    assert found == [*kept, *new]
    assert opened == Opened(RESERVED + 200, len(kept) + 100)


def test_only_a_server_migrates(url: str) -> None:
    if url.startswith(("redis", "memcached")):  # where each value says by itself how it is packed
        assert use(url, only_reads=True)[1] == EXPECTED
        return
    with pytest.raises(StoreError, match="start a server with this store to migrate it"):
        use(url, only_reads=True)
    use(url)
    assert use(url, only_reads=True)[1] == EXPECTED


def test_a_server_takes_the_jobs_over(url: str) -> None:
    with run_server(store=url) as server, AdminClient(server.address) as admin:
        while len(listed := admin.jobs()) < len(EXPECTED) - 1:  # it serves while they are restored
            pass
        schedules = admin.schedules()

    assert {job.handle.encode() for job in listed} == {job.handle for job in EXPECTED if not job.schedule}
    assert [schedule.function for schedule in schedules] == ["report"]


def test_a_migration_that_was_broken_off_is_completed(mysql_engine: Engine, tmp_path: Path) -> None:
    """MariaDB has no transaction around statements about tables."""
    url = url_of("mysql", mysql_engine.port, tmp_path)
    for step in (
        "ALTER TABLE geartrain_jobs ADD created_at bigint NOT NULL DEFAULT 0, ADD tagged longblob NOT NULL",
        "UPDATE geartrain_facts SET value = 1 WHERE name = 'schema'",
    ):
        clear("mysql", mysql_engine)
        load_mysql("mysql-1", mysql_engine, tmp_path)
        if step.startswith("UPDATE"):  # the tables were changed, and the server died before it noted that
            use(url)
        with mysql(mysql_engine) as cursor:
            cursor.execute(step)

        assert use(url)[1] == EXPECTED


# The only job of a table has the lowest number that there is.
_LEAVE_ONE = ("DELETE FROM geartrain_jobs WHERE number <> 2010", "UPDATE geartrain_jobs SET number = 1")


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_table_with_a_single_job_is_migrated(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine: Engine = request.getfixturevalue(f"{kind}_engine")
    clear(kind, engine)
    LOADERS[kind](f"{kind}-1", engine, tmp_path)
    url = url_of(kind, engine.port, tmp_path)
    if kind == "postgres":
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _LEAVE_ONE:
                connection.execute(statement.encode())
    else:
        with mysql(engine) as cursor:
            for statement in _LEAVE_ONE:
                cursor.execute(statement)

    (job,) = use(url)[1]

    assert job == next(job for job in EXPECTED if job.number == 2010).replace(number=1)
    assert job.losses, "which is not in a column of its own"


@pytest.mark.parametrize("name", ["sqlite-1", "sqlite-2"])
def test_a_file_with_a_corrupt_job_stays_as_it_is(name: str, tmp_path: Path) -> None:
    load_sqlite(name, None, tmp_path)
    file = tmp_path / "jobs.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "UPDATE jobs SET priority = 9 WHERE number = 2" if name == "sqlite-1" else "UPDATE jobs SET packed = x'09'"
        )
    before = file.read_bytes()

    with pytest.raises(StoreError, match=r"jobs\.db: (a priority of a job|not a job)"):
        use(url_of("sqlite", 0, tmp_path))

    with closing(sqlite3.connect(file)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert version == (int(name[-1]),)
    assert {"jobs", "facts"} <= names
    assert not [name for name in names if name.startswith("old_")]
    assert len(before) == len(file.read_bytes())


def test_exports_of_earlier_versions_are_read() -> None:
    assert list(read_lines(fixture("lines.jsonl").splitlines(keepends=True))) == EXPECTED
