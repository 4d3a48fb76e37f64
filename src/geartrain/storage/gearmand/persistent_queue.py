# SPDX-License-Identifier: MIT
"""Persistent queues of a C gearmand: their interface, and their URLs."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from geartrain.core.record import JobRecord
from geartrain.protocol.limits import INT64_MAX
from geartrain.records import Priority
from geartrain.storage.store import StoreError

__all__ = ["Queue", "job", "open_queue", "when_column"]


class Queue(Protocol):
    """Jobs in the persistent queue of a C gearmand, which should not run meanwhile."""

    def jobs(self) -> Iterator[JobRecord]:
        """Yield all jobs, in the order in which gearmand would take them back; their numbers are 0.

        Raises:
            StoreError: They cannot be read.
        """

    def delete(self) -> None:
        """Delete the jobs that `jobs` has yielded, and no others.

        Raises:
            StoreError: They cannot be deleted; some of them may be.
        """

    def close(self) -> None:
        """Close the connection."""


def job(
    unique: bytes | None, function: bytes, priority: int | None, workload: bytes | None, run_at: int | None
) -> JobRecord:
    """Return the job in a row.

    SQLite's module stores an empty workload as NULL, and rows from before there was a time have NULL for it; its next
    start fails at either (protocol 7.5). It keeps no handles. Those made up here are the same for a row each time, so
    that an import can resume one that broke off.
    """
    from hashlib import blake2b  # each server looks for jobs of a C server, and hardly any finds one

    name = blake2b(function + b"\0" + (unique or b""), digest_size=16).hexdigest().encode()
    known = priority if priority in tuple(Priority) else None
    return JobRecord(
        0,
        b"H:gearmand:" + name,
        function,
        unique or b"",
        Priority.NORMAL if known is None else known,
        workload or b"",
        run_at=min(max(run_at or 0, 0) * 1000, INT64_MAX),
    )


def when_column(columns: Iterable[str], table: str) -> str:
    """Return the column with the time, or a zero for tables from before there was one.

    Raises:
        StoreError: The table is not gearmand's.
    """
    missing = {"unique_key", "function_name", "priority", "data"} - set(columns)
    if missing:
        raise StoreError(f"{table} is not a queue of gearmand: it has no {', '.join(sorted(missing))}")
    return "when_to_run" if "when_to_run" in columns else "0"


# The module and class for each scheme; `from_url` of the class makes a queue.
_SCHEMES = {
    "sqlite": ("geartrain.storage.gearmand.sqlite", "SQLiteQueue"),
    "postgresql": ("geartrain.storage.gearmand.postgres", "PostgresQueue"),
    "postgres": ("geartrain.storage.gearmand.postgres", "PostgresQueue"),
    "mysql": ("geartrain.storage.gearmand.mysql", "MySQLQueue"),
    "mariadb": ("geartrain.storage.gearmand.mysql", "MySQLQueue"),
    "redis": ("geartrain.storage.gearmand.redis", "RedisQueue"),
    "rediss": ("geartrain.storage.gearmand.redis", "RedisQueue"),
    "valkey": ("geartrain.storage.gearmand.redis", "RedisQueue"),
}


def open_queue(url: str) -> Queue:
    """Return the queue behind a URL, such as ``sqlite:///var/lib/gearman/queue.db?table=gearman_queue``.

    Raises:
        StoreError: There is no such queue, or what it needs is not installed.
    """
    parts = urlsplit(url)
    known = _SCHEMES.get(parts.scheme)
    if known is None:
        raise StoreError(
            f"{url!r} is not a queue of gearmand: it has to begin with {', '.join(f'{name}://' for name in _SCHEMES)}"
        )
    module, name = known
    make: Callable[[SplitResult], Queue] = getattr(import_module(module), name).from_url
    return make(parts)
