# SPDX-License-Identifier: MIT
"""Queues of C servers, which a server does not take for its own."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from geartrain.server.config.sources import read
from geartrain.server.durability.foreign import queue_url, refuse_queue, without_password
from geartrain.server.options import GearmandOptions
from geartrain.storage import StoreError


def options(words: str) -> GearmandOptions:
    return read(words.split(), {}, []).options


@pytest.mark.parametrize(
    ("words", "url"),
    [
        ("", None),
        ("--store none", None),
        ("-q builtin", None),
        ("-q libsqlite3 --libsqlite3-db /q.db", "sqlite:/q.db?table=gearman_queue"),
        ("-q libsqlite3 --libsqlite3-db /q.db --libsqlite3-table a&b", "sqlite:/q.db?table=a%26b"),
        ("--store sqlite:///q.db", "sqlite:///q.db?table=gearman_queue"),
        ("-q mysql --mysql-user u --mysql-table t", "mysql://u:@localhost:3306/gearman?table=t"),
        ("-q postgres --libpq-conninfo host=/run", "postgresql:host%3D/run?table=queue"),
        ("-q postgres --libpq-conninfo postgresql://h/d?a=b", "postgresql://h/d?a=b&table=queue"),
        ("-q redis --redis-prefix x", "redis://127.0.0.1:6379?prefix=x"),
        ("-q libmemcached --libmemcached-servers h:1", None),  # which keeps its keys to itself
        ("--store postgresql://h/d", None),
    ],
)
def test_the_queue_is_where_a_c_server_would_have_it(words: str, url: str | None) -> None:
    found = options(words)

    assert queue_url(found.store, found) == url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "it's a queue.db"


def fill(file: Path, table: str, *rows: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB)")
        for unique in rows:
            connection.execute(f"INSERT INTO {table} VALUES (?, 'f', 0, 'w')", (unique,))  # noqa: S608


def test_jobs_in_it_are_an_error_with_the_command_that_imports_them(file: Path) -> None:
    fill(file, "gearman_queue", "u")
    found = read(["-q", "libsqlite3", "--libsqlite3-db", str(file)], {}, []).options

    with pytest.raises(StoreError) as caught:
        asyncio.run(refuse_queue(found.store, found))

    url = f"sqlite:{file.parent}/it%27s%20a%20queue.db"
    reason, command = str(caught.value).splitlines()
    assert reason.startswith(f"{url} has jobs of a C server")
    assert command == f"  gearmand store import {url} --from '{url}?table=gearman_queue' --delete"


@pytest.mark.parametrize("state", ["missing", "empty", "of another table", "no database"])
def test_without_jobs_there_is_no_error(file: Path, state: str) -> None:
    match state:
        case "empty":
            fill(file, "gearman_queue")
        case "of another table":
            fill(file, "other", "u")
        case "no database":
            file.write_text("x" * 10_000)
    found = read(["-q", "libsqlite3", "--libsqlite3-db", str(file)], {}, []).options

    assert asyncio.run(refuse_queue(found.store, found)) is (state != "missing")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://u:p%2Fw@h:1/d", "mysql://u:PASSWORD@h:1/d"),
        ("mysql://u:@h:1/d", "mysql://u:@h:1/d"),
        ("redis://:secret@h", "redis://:PASSWORD@h"),
        ("sqlite:/q.db", "sqlite:/q.db"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
