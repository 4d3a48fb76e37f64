# SPDX-License-Identifier: MIT
"""Somewhere to keep jobs, fresh, for each store that there is."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.storage import engines
from tests.storage.engines import Engine

__all__ = ["STORES", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs are kept.

    Attributes:
        url: The store.
        engine: Its server, if it has one that keeps what it was told when it is killed.
    """

    url: str
    engine: Engine | None = None


@contextlib.contextmanager
def _sqlite(folder: Path) -> Iterator[Place]:
    yield Place(f"sqlite://{folder}/jobs.db")


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[Place]:
    with engines.postgres(folder).running() as engine:
        yield Place(f"postgresql://postgres@127.0.0.1:{engine.port}/postgres", engine)


@contextlib.contextmanager
def _mysql(folder: Path) -> Iterator[Place]:
    with engines.mariadb(folder).running() as engine:
        yield Place(f"mysql://geartrain@127.0.0.1:{engine.port}/test", engine)


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[Place]:
    with engines.redis(folder).running() as engine:
        yield Place(f"redis://127.0.0.1:{engine.port}", engine)


@contextlib.contextmanager
def _memcached(folder: Path) -> Iterator[Place]:
    with engines.memcached(folder).running() as engine:
        yield Place(f"memcached://127.0.0.1:{engine.port}")


STORES = {"sqlite": _sqlite, "postgres": _postgres, "mysql": _mysql, "redis": _redis, "memcached": _memcached}
