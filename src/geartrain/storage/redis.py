# SPDX-License-Identifier: MIT
"""Jobs in Redis or Valkey. The extra ``redis`` brings the library.

All jobs are fields of one hash, so that a batch is one HSET and one HDEL in one transaction, and a replay needs no
search through other people's keys. How safe a commit is, the server's ``appendonly`` and ``appendfsync`` say.
"""

import time
from urllib.parse import SplitResult, parse_qs, urlunsplit

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.packing import pack, unpack
from geartrain.storage.store import CHUNK, Opened, StoreError, needed
from geartrain.storage.threaded import FAREWELL, PATIENCE, ThreadedStore

with needed("redis"):
    import redis

__all__ = ["RedisStore"]

PREFIX = "geartrain"


class RedisStore(ThreadedStore):
    """Jobs in a hash of Redis.

    Args:
        url: As redis-py has it.
        prefix: What the names of our keys begin with; servers that share a Redis need one each.
        only_reads: Whether it is only looked at.
    """

    failures = (redis.RedisError, OSError)

    def __init__(self, url: str, prefix: str = PREFIX, *, only_reads: bool = False) -> None:
        name = f"{prefix}:{'reader' if only_reads else 'server'}"
        self._redis = redis.Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=5, client_name=name, max_connections=1
        )
        where = self._redis.connection_pool.connection_kwargs
        super().__init__(
            f"redis {where.get('path') or where.get('host', 'localhost')}, keys {prefix}:*", only_reads=only_reads
        )
        self._prefix = prefix
        self._jobs = f"{prefix}:jobs"
        self._facts = f"{prefix}:facts"
        self._numbers: list[int] = []  # of the jobs that have yet to be read

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "RedisStore":
        """Return the store behind ``redis://:password@host:port/database?prefix=geartrain``."""
        prefix = parse_qs(parts.query).get("prefix", [PREFIX])[0]
        scheme = "redis" if parts.scheme == "valkey" else parts.scheme
        try:
            return cls(urlunsplit((scheme, parts.netloc, parts.path, "", "")), prefix, only_reads=only_reads)
        except ValueError as error:
            raise StoreError(f"not a Redis address: {error}") from error

    def _open(self) -> Opened:
        deadline = time.monotonic() + FAREWELL
        while not self._only_reads and self._is_shared():
            if time.monotonic() > deadline:
                raise StoreError(f"{self.name}: another server uses it")
            time.sleep(FAREWELL / 20)
        self._numbers = sorted(map(int, self._redis.hkeys(self._jobs)))
        reserved = int(self._redis.hget(self._facts, "reserved") or 0)
        return Opened(max(reserved, *self._numbers[-1:], 0), len(self._numbers))

    def _is_shared(self) -> bool:
        name = f"{self._prefix}:server"
        return sum(client["name"] == name for client in self._redis.client_list()) > 1

    def _read(self, after: int) -> list[JobRecord]:
        jobs: list[JobRecord] = []
        while self._numbers and not jobs:  # who only looks may come too late for a whole portion
            numbers, self._numbers = self._numbers[:CHUNK], self._numbers[CHUNK:]
            found = self._redis.hmget(self._jobs, [str(number) for number in numbers])
            jobs = [unpack(packed) for packed in found if isinstance(packed, bytes)]
        return jobs

    def _commit(self, batch: Batch) -> None:
        with self._redis.pipeline(transaction=True) as commands:
            if batch.stored:
                commands.hset(self._jobs, mapping={str(job.number): pack(job) for job in batch.stored})
            if batch.finished:
                commands.hdel(self._jobs, *map(str, batch.finished))
            if batch.reserve:
                commands.hset(self._facts, "reserved", batch.reserve)
            if not any(batch):
                commands.ping()
            commands.execute()

    def _close(self) -> None:
        self._redis.close()

    def _reset(self) -> None:
        self._redis.connection_pool.disconnect()
