# SPDX-License-Identifier: MIT
"""Somewhere to keep jobs, for each kind of store that there is."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pymysql

from tests.storage.engines import Engine, mariadb, memcached, postgres, redis

__all__ = ["ENGINES", "KINDS", "STORES", "Place", "clear", "mysql", "url_of"]

ENGINES: dict[str, Callable[[Path], Engine]] = {
    "postgres": postgres,
    "mysql": mariadb,
    "redis": redis,
    "memcached": memcached,
}
KINDS = ["sqlite", *ENGINES]


def url_of(kind: str, port: int, folder: Path) -> str:
    """Return the URL of a store in an engine; a folder gives its keys or files their names."""
    return {
        "sqlite": f"sqlite://{folder}/jobs.db",
        "postgres": f"postgresql://postgres@127.0.0.1:{port}/postgres",
        "mysql": f"mysql://geartrain@127.0.0.1:{port}/test",
        "redis": f"redis://127.0.0.1:{port}?prefix={folder.name}",
        "memcached": f"memcached://127.0.0.1:{port}?prefix={folder.name}",
    }[kind]


def clear(kind: str, engine: Engine) -> None:
    """Drop what other tests left on an engine; where there are prefixes, each test has one of its own."""
    if kind == "postgres":
        with psycopg.connect(url_of(kind, engine.port, Path()), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS geartrain_jobs, geartrain_facts")
    if kind == "mysql":
        with mysql(engine) as cursor:
            cursor.execute("DROP TABLE IF EXISTS geartrain_jobs, geartrain_pieces, geartrain_facts")


@contextlib.contextmanager
def mysql(engine: Engine) -> Iterator[pymysql.cursors.Cursor]:
    """Talk to a MariaDB directly."""
    connection = pymysql.connect(host="127.0.0.1", port=engine.port, user="geartrain", database="test", autocommit=True)
    with contextlib.closing(connection), connection.cursor() as cursor:
        yield cursor


@dataclass(frozen=True, slots=True)
class Place:
    """A place for jobs.

    Attributes:
        url: The store.
        engine: Its server, if it has one that keeps jobs when it is killed.
    """

    url: str
    engine: Engine | None = None


@contextlib.contextmanager
def _place(kind: str, folder: Path) -> Iterator[Place]:
    if kind == "sqlite":
        yield Place(url_of(kind, 0, folder))
        return
    with ENGINES[kind](folder).running() as engine:
        yield Place(url_of(kind, engine.port, folder), engine if kind != "memcached" else None)


# Each gives a new place in a folder, and an engine of its own.
STORES = {kind: partial(_place, kind) for kind in KINDS}
