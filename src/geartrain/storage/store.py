# SPDX-License-Identifier: MIT
"""Store: the interface between a job server and the engine that keeps its jobs; URLs of stores."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol
from urllib.parse import urlsplit

from geartrain.core.changes import Change
from geartrain.core.commit_queue import CommitOutcome
from geartrain.core.record import JobRecord
from geartrain.errors import GeartrainError

__all__ = ["CHUNK", "CHUNK_WEIGHT", "CommitOutcome", "Opened", "Store", "StoreError", "needed", "open_store"]

CHUNK = 1000  # records that a replay yields at once: some milliseconds of the event loop
CHUNK_WEIGHT = 16 * 1024 * 1024  # bytes of workloads after which the default store yields fewer


class StoreError(GeartrainError):
    """A store failed; the message says which store, and why.

    Attributes:
        outcome: The fate of the batch, if the error was raised by a commit.

            - ``NOT_STORED``: nothing of it is stored, now or later.
            - ``UNKNOWN``: it may be stored; after the next commit that succeeds it cannot become stored any more.
            - ``FENCED``: not stored, as another server has taken the store over; no further commit can succeed.
        is_unavailable: The database takes no connections, perhaps as it is still starting; `Store.open` may be called
            again.
    """

    def __init__(
        self, message: str, outcome: CommitOutcome = CommitOutcome.UNKNOWN, *, is_unavailable: bool = False
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.is_unavailable = is_unavailable


@dataclass(frozen=True, slots=True)
class Opened:
    """Facts about a store that has just been opened.

    Attributes:
        reserved: Numbers above this one were never used.
        jobs: Number of jobs in it.
    """

    reserved: int = 0
    jobs: int = 0


class Store(Protocol):
    """Durable storage of job records.

    A store is used by one task, one call at a time. A commit that failed may be followed by others.
    """

    async def open(self) -> Opened:
        """Prepare the store, and create or migrate it as needed.

        Raises:
            StoreError: The store is not available, or another server uses it. If it `is_unavailable`, the store can
                be opened again, or has to be closed; otherwise it is closed.
        """

    def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        """Yield all records, ordered by number, some `CHUNK` at a time.

        Raises:
            StoreError: The records cannot be read.
        """

    async def commit(self, changes: Sequence[Change]) -> None:
        """Store all changes or none; on return they survive a power failure.

        `Forget` is applied first, wherever it stands among the changes. Without changes, check that the store is
        available.

        Raises:
            StoreError: The changes are not, or may not be, stored; see `StoreError.outcome`.
        """

    async def close(self) -> None:
        """Close the store. Calling it twice, or after a failure, is allowed."""


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


# The module and class for each scheme; `from_url` of the class makes a store.
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
    """Return the store behind a URL, such as ``sqlite:///var/lib/geartrain/4730.db``, not yet opened.

    Args:
        url: A scheme, followed by what the module of that scheme expects.
        only_reads: Open the store for reading, while a server may be using it; nothing is created or changed.

    Raises:
        StoreError: There is no such scheme, or a package that it needs is not installed.
    """
    parts = urlsplit(url)
    known = _SCHEMES.get(parts.scheme)
    if known is None:
        raise StoreError(f"{url!r} is not a store: it has to begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
    module, name = known
    make: Callable[..., Store] = getattr(import_module(module), name).from_url
    return make(parts, only_reads=only_reads)
