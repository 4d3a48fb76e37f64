# SPDX-License-Identifier: MIT
"""The brokers between clients and workers, and the fate of queued jobs if a broker dies."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.measured import BenchmarkError, running

__all__ = [
    "GEARMAND",
    "GEARMAND_IN_MEMORY",
    "GEARMAND_RELAXED",
    "REDIS",
    "REDIS_SYNCED",
    "Broker",
]


@dataclass(frozen=True, slots=True)
class Broker:
    """A server in one of its settings.

    Attributes:
        title: Its name for readers.
        command: The command that starts it, in a folder of its own; ``{port}`` stands for its port.
        promise: The fate of queued jobs.
    """

    title: str
    command: str
    promise: str

    @property
    def is_redis(self) -> bool:
        """Return whether it is a Redis."""
        return self.command.startswith("redis-server ")

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        """Run a new broker during a block, and yield its port.

        Raises:
            BenchmarkError: It does not start.
        """
        if self.is_redis and shutil.which("redis-server") is None:
            raise BenchmarkError("there is no redis-server; Debian's comes with: apt-get install redis-server")
        with running(self.command) as server:
            yield server.port


_REDIS = "redis-server --port {port} --bind 127.0.0.1"
_GEARMAND = f"{sys.executable} -m geartrain.cli.gearmand --config-file=/dev/null --port={{port}} --listen=127.0.0.1"

REDIS = Broker(
    "Redis",
    _REDIS,
    "default: written to disk a minute after 10,000 changes, five minutes after 100, an hour after one; "
    "later changes are lost in a crash",
)
REDIS_SYNCED = Broker(
    "Redis, synced",
    f"{_REDIS} --appendonly yes --appendfsync always",
    "`appendonly yes`, `appendfsync always`: on disk before the client gets its answer",
)
GEARMAND = Broker(
    "gearmand",
    f"{_GEARMAND} --store=sqlite:jobs.db",
    "default: on disk before the client gets its answer",
)
GEARMAND_RELAXED = Broker(
    "gearmand, relaxed",
    f"{_GEARMAND} --store=sqlite:jobs.db --durability=relaxed",
    "`--durability relaxed`: on disk within a second",
)
GEARMAND_IN_MEMORY = Broker(
    "gearmand, in memory",
    f"{_GEARMAND} --store=none",
    "`--store none`: lost when the server ends",
)
