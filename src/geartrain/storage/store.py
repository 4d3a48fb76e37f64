# SPDX-License-Identifier: MIT
"""The seam between a job server and whatever keeps its jobs, and the way from a URL to a store."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol
from urllib.parse import urlsplit

from geartrain.errors import GeartrainError
from geartrain.jobrecord import Batch, JobRecord

__all__ = ["CHUNK", "CHUNK_WEIGHT", "Opened", "Store", "StoreError", "needed", "open_store"]

CHUNK = 1000  # records that a replay hands over at once: some milliseconds of the event loop
CHUNK_WEIGHT = 16 * 1024 * 1024  # bytes of workloads after which the default store hands over fewer


class StoreError(GeartrainError):
    """A store cannot do what it was asked to; the message says which store, and why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a store before its jobs have been read.

    Attributes:
        created: Numbers up to this one may have been used.
        jobs: How many jobs it has.
    """

    created: int = 0
    jobs: int = 0


class Store(Protocol):
    """Keeps records. It is used by one task, one call at a time; a commit that failed may be followed by others."""

    async def open(self) -> Opened:
        """Get ready, creating or migrating what is missing.

        Raises:
            StoreError: It cannot be had, or another server has it.
        """

    def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        """Yield what is kept, in the order of the numbers, some `CHUNK` records at a time.

        Raises:
            StoreError: It cannot be read.
        """

    async def commit(self, batch: Batch) -> None:
        """Take all of a batch or nothing; on return it survives a loss of power.

        An empty batch tells whether the store is there.

        Raises:
            StoreError: It may or may not have been taken.
        """

    async def close(self) -> None:
        """Let go of it; no call fails because this one did."""


# The package to install for each extra of Geartrain, as pyproject.toml has it.
PACKAGES = {
    "memcached": "pymemcache",
    "mysql": "PyMySQL",
    "postgres": "psycopg[binary]",
    "redis": "redis[hiredis]",
}


@contextmanager
def needed(extra: str) -> Iterator[None]:
    """Translate an `ImportError` in the block into a `StoreError` that names the package to install."""
    try:
        yield
    except ImportError as error:
        package = PACKAGES[extra]
        raise StoreError(
            f"this store needs a Python package ({error}); install it with: python -m pip install '{package}'"
        ) from error


# Where a URL leads: the module, and the class in it, whose `from_url` makes a store of it.
_SCHEMES = {
    "sqlite": ("geartrain.storage.sqlite", "SQLiteStore"),
    "postgresql": ("geartrain.storage.postgres", "PostgresStore"),
    "postgres": ("geartrain.storage.postgres", "PostgresStore"),
    "mysql": ("geartrain.storage.mysql", "MySQLStore"),
    "mariadb": ("geartrain.storage.mysql", "MySQLStore"),
    "redis": ("geartrain.storage.redis", "RedisStore"),
    "rediss": ("geartrain.storage.redis", "RedisStore"),
    "valkey": ("geartrain.storage.redis", "RedisStore"),
    "memcached": ("geartrain.storage.memcached", "MemcachedStore"),
}


def open_store(url: str, *, only_reads: bool = False) -> Store:
    """Return the store behind a URL, such as ``sqlite:///var/lib/geartrain/4730.db``. It has yet to be opened.

    Args:
        url: A scheme, and what its module makes of the rest.
        only_reads: Whether it is only looked at. Then a server may be using it, and nothing is created or changed.

    Raises:
        StoreError: There is no such store, or what it needs is not installed.
    """
    parts = urlsplit(url)
    known = _SCHEMES.get(parts.scheme)
    if known is None:
        raise StoreError(f"{url!r} is no store: it has to begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
    module, name = known
    make: Callable[..., Store] = getattr(import_module(module), name).from_url
    return make(parts, only_reads=only_reads)
