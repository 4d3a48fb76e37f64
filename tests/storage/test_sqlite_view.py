# SPDX-License-Identifier: MIT
"""The view with which any SQLite shell reads the jobs in a file."""

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core.changes import Change, Forget, Put
from geartrain.core.record import JobRecord
from geartrain.storage.bundles import TABLES, JobTables
from geartrain.storage.sqlite import SQLiteStore
from geartrain.storage.sqlite_view import VIEW
from geartrain.testing.stores import put_new

MANY = [
    JobRecord(number, b"H:%d" % number, (b"resize", b"mail")[number % 2], b"", number % 3, b"w%d" % number)
    for number in range(1, 301)
]
SINGLE = JobRecord(
    400,
    b"H:400",
    "grün".encode(),
    b"u",
    0,
    b"\0\xff",
    created_at=1_700_000_000_999,
    run_at=4_102_444_800_000,
    losses=2**40,
    failures=3,
    reducer=b"r",
    schedule=b"* * * * *",
    key=b"a key",
    reason=b"exception",
    error=b"Traceback",
    unknown=((250, b"later"),),
)


def commit(file: Path, *batches: list[Change]) -> None:
    async def run() -> None:
        store = SQLiteStore(file)
        await store.open()
        for batch in batches:
            await store.commit(batch)
        await store.close()

    asyncio.run(run())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with two bundles, of which some jobs have ended, and two rows."""
    file = tmp_path / "jobs.db"
    bundled_with_tags = MANY[0].replace(number=500, run_at=1)
    others = [MANY[0].replace(number=number) for number in range(501, 540)]
    commit(
        file,
        [put_new(MANY)],
        [Forget([1, 2, 300]), Put([SINGLE, MANY[3].replace(losses=1)])],
        [put_new([bundled_with_tags, *others])],
    )
    return file


def test_all_fields_that_have_a_column_can_be_read(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT * FROM stored_jobs WHERE number = 400").fetchone()

    assert dict(row) == {
        "number": 400,
        "handle": "H:400",
        "function": "grün",
        "unique": "u",
        "priority": "high",
        "workload": b"\0\xff",
        "created_at": "2023-11-14 22:13:20",
        "run_at": "2100-01-01 00:00:00",
        "losses": 2**40,
        "failures": 3,
        "reducer": "r",
        "schedule": "* * * * *",
        "reason": "exception",
        "error": "Traceback",
    }


def test_jobs_that_have_ended_are_not_there_and_the_others_are_once(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        numbers = [number for (number,) in connection.execute("SELECT number FROM stored_jobs ORDER BY number")]
        assert numbers == [*range(3, 300), 400, *range(500, 540)]
        assert connection.execute("SELECT losses FROM stored_jobs WHERE number = 4").fetchall() == [(1,)]
        assert connection.execute(
            "SELECT function, count(*), max(run_at) FROM stored_jobs WHERE number >= 500 OR number < 300 GROUP BY 1"
        ).fetchall() == [("mail", 189, "1970-01-01 00:00:00"), ("resize", 148, None)]


def test_a_shell_reads_it_while_a_server_writes(file: Path) -> None:
    shell = shutil.which("sqlite3")
    if shell is None:
        pytest.skip("there is no shell of SQLite")

    async def read() -> str:
        store = SQLiteStore(file)
        await store.open()
        await store.commit([put_new([MANY[0].replace(number=1000)])])
        query = "SELECT number, handle, function, priority, workload FROM stored_jobs WHERE number IN (299, 1000)"
        done = await asyncio.to_thread(
            subprocess.run, [shell, str(file), query], capture_output=True, text=True, check=True
        )
        await store.close()
        return done.stdout

    assert asyncio.run(read()) == "299|H:299|mail|low|w299\n1000|H:1|mail|normal|w1\n"


def test_a_time_beyond_all_calendars_is_shown_as_a_number(tmp_path: Path) -> None:
    commit(tmp_path / "jobs.db", [Put([SINGLE.replace(run_at=2**63 - 1)])])

    with closing(sqlite3.connect(tmp_path / "jobs.db")) as connection:
        assert connection.execute("SELECT run_at FROM stored_jobs").fetchall() == [(2**63 - 1,)]


def in_view(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        'SELECT number, handle, function, "unique", workload, losses, failures, reducer, schedule, reason, error '
        "FROM stored_jobs ORDER BY number"
    ).fetchall()


def as_row(job: JobRecord) -> tuple[object, ...]:
    names = (job.reducer, job.schedule, job.reason, job.error)
    return (
        job.number,
        job.handle.decode(),
        job.function.decode(),
        job.unique.decode(),
        job.workload,
        job.losses,
        job.failures,
        *[name.decode() for name in names],
    )


names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5).map(str.encode)
tagged = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("losses", "failures", "run_at", "created_at"), st.integers(0, 2**63 - 1)),
        **dict.fromkeys(("reducer", "schedule", "reason", "error", "key"), names),
        "unknown": st.lists(st.tuples(st.integers(100, 255), st.binary(max_size=9)), max_size=2).map(tuple),
    },
)


@given(
    st.lists(st.tuples(names, names.filter(bool), names, st.binary(max_size=9), tagged), min_size=1, max_size=5),
    st.integers(0, 40),
)
def test_the_view_unpacks_all_packed_jobs(
    fields: Iterable[tuple[bytes, bytes, bytes, bytes, dict[str, Any]]], copies: int
) -> None:
    jobs: list[JobRecord] = []
    for _ in range(copies + 1):
        for handle, function, unique, workload, more in fields:
            jobs.append(JobRecord(len(jobs) + 1, handle, function, unique, 1, workload, **more))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in (*TABLES, VIEW):
            connection.execute(statement)
        JobTables(connection).put_new(put_new(jobs))

        assert in_view(connection) == [as_row(job) for job in jobs]
