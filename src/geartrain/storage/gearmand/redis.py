# SPDX-License-Identifier: MIT
"""The keys of gearmand's module redis. The extra ``redis`` brings the library.

A job is a key ``<prefix>-<function>-<unique>``. Its value is, by the version of gearmand:

- up to 1.1.15: the workload, as a string;
- later 1.1: a hash with ``data`` and ``priority``;
- 2.0: the same with ``function`` and ``unique``.

Before 2.0 the key alone says what the function is, and a function or a unique may have a ``-`` in it. Most uniques that
have are UUIDs, which clients make up, and these are recognised; anything else is divided where gearmand would divide
it, at the first ``-``, unless it begins with the name of a function that the caller knows.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from urllib.parse import SplitResult, parse_qs, urlunsplit

from geartrain.core.record import JobRecord
from geartrain.storage.gearmand.persistent_queue import job
from geartrain.storage.store import StoreError, needed

with needed("redis"):
    import redis

__all__ = ["RedisQueue"]

PREFIX = "_gear_"
_KEYS = 500  # that are asked for at once
_UUID = re.compile(rb"(?s)(.+)-([0-9a-fA-F]{8}(-?)(?:[0-9a-fA-F]{4}\3){3}[0-9a-fA-F]{12})")  # with dashes or without


class RedisQueue:
    """A queue in Redis.

    Args:
        url: As redis-py has it; ``--redis-server``, ``--redis-port`` and ``--redis-password`` of gearmand.
        prefix: ``--redis-prefix``.
        functions: Names of functions that contain a ``-``.
    """

    def __init__(self, url: str, prefix: str = PREFIX, functions: Sequence[str] = ()) -> None:
        try:
            self._redis = redis.Redis.from_url(url, socket_connect_timeout=5, client_name="geartrain:import")
        except ValueError as error:
            raise StoreError(f"not a Redis address: {error}") from error
        where = self._redis.connection_pool.connection_kwargs
        self.name = f"redis {where.get('path') or where.get('host', 'localhost')}, keys {prefix}-*"
        self._prefix = prefix.encode() + b"-"
        self._functions = sorted((name.encode() for name in functions), key=len, reverse=True)
        self._read: dict[bytes, None] = {}

    @classmethod
    def from_url(cls, parts: SplitResult) -> "RedisQueue":
        """Return the queue behind ``redis://:password@host:port/database?prefix=_gear_&function=a-b``."""
        words = parse_qs(parts.query)
        scheme = "redis" if parts.scheme == "valkey" else parts.scheme
        url = urlunsplit((scheme, parts.netloc, parts.path, "", ""))
        return cls(url, words.get("prefix", [PREFIX])[0], words.get("function", ()))

    def jobs(self) -> Iterator[JobRecord]:
        """Yield all jobs; see `Queue.jobs`. Redis keeps no order."""
        with self._translated():
            pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._prefix) + b"*"
            keys = self._redis.scan_iter(match=pattern, count=_KEYS)
            while portion := list(islice(keys, _KEYS)):
                new = [key for key in dict.fromkeys(portion) if key not in self._read]  # a scan may repeat itself
                yield from self._jobs(new)

    def _jobs(self, keys: Sequence[bytes]) -> Iterator[JobRecord]:
        with self._redis.pipeline(transaction=False) as commands:
            for key in keys:
                commands.type(key)
            kinds = commands.execute()
            asked = [(key, kind) for key, kind in zip(keys, kinds, strict=True) if kind in (b"hash", b"string")]
            for key, kind in asked:
                commands.hgetall(key) if kind == b"hash" else commands.get(key)
            values = commands.execute()
        for (key, _), value in zip(asked, values, strict=True):
            fields = {b"data": value} if isinstance(value, bytes) else value
            if fields and b"data" in fields:
                self._read[key] = None
                yield self._job(key, fields)

    def _job(self, key: bytes, fields: dict[bytes, bytes]) -> JobRecord:
        function, unique = fields.get(b"function"), fields.get(b"unique")
        if function is None or unique is None:
            function, unique = self._divided(key.removeprefix(self._prefix))
        priority = fields.get(b"priority", b"")
        return job(unique, function, int(priority) if priority.isdigit() else None, fields[b"data"], 0)

    def _divided(self, name: bytes) -> tuple[bytes, bytes]:
        """Return the function and the unique of a key."""
        for function in self._functions:
            if name.startswith(function + b"-"):
                return function, name[len(function) + 1 :]
        made_up = _UUID.fullmatch(name)
        if made_up:
            return made_up[1], made_up[2]
        function, _, unique = name.partition(b"-")
        return function, unique

    def delete(self) -> None:
        """Delete what was read; see `Queue.delete`."""
        keys = iter(self._read)
        with self._translated():
            while portion := list(islice(keys, _KEYS)):
                self._redis.delete(*portion)

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise StoreError(f"{self.name}: {error}") from error
