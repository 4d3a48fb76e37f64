# SPDX-License-Identifier: MIT
"""Jobs in Redis or Valkey. The extra ``redis`` brings the library.

All jobs are fields of one hash, so that a replay needs no search through other people's keys. A batch is one script,
which Redis runs whole, and only if the store still has the token of its connection; see `geartrain.storage.session`.

``appendonly`` and ``appendfsync`` of the server decide if a commit is synced; a connection cannot ask for it.
"""

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, ClassVar, TypeAlias
from urllib.parse import SplitResult, parse_qs, urlunsplit

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import pack, unpack
from geartrain.core.record import JobRecord
from geartrain.storage.session import Session
from geartrain.storage.store import CHUNK, CommitOutcome, Opened, StoreError, needed
from geartrain.storage.threaded import ANSWER_TIMEOUT, LOCK_TIMEOUT, ThreadedStore

with needed("redis"):
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

__all__ = ["RedisStore"]

log = logging.getLogger("geartrain.store")

PREFIX = "geartrain"

# The arguments are the token, and then commands: the name, which of the keys, the number of values, and the values.
_COMMIT = """
if redis.call('HGET', KEYS[1], 'session') ~= ARGV[1] then return 0 end
local at = 2
while ARGV[at] do
    local stop = at + 2 + ARGV[at + 2]
    redis.call(ARGV[at], KEYS[tonumber(ARGV[at + 1])], unpack(ARGV, at + 3, stop))
    at = stop + 1
end
return 1
"""
# The arguments are the new token, and those that the store may have. An engine that has lost all its data has none.
_RENEW = """
local session = redis.call('HGET', KEYS[1], 'session')
local is_expected = not session
for place = 2, #ARGV do is_expected = is_expected or session == ARGV[place] end
if is_expected then redis.call('HSET', KEYS[1], 'session', ARGV[1]) end
return is_expected and 1 or 0
"""
_FACTS, _JOBS = "1", "2"  # the keys by which the script knows them
_VALUES = 2000  # in one command, as Lua's stack has room for 8,000; an even number, as HSET takes pairs
_Value: TypeAlias = str | int | bytes


class RedisStore(ThreadedStore):
    """Jobs in a hash of Redis.

    Args:
        url: As redis-py has it.
        prefix: The beginning of all keys; servers that share a Redis need one each.
        only_reads: Open the store for reading.
    """

    failures = (redis.RedisError, OSError)
    absences = (redis.ConnectionError, redis.TimeoutError, OSError)

    def __init__(self, url: str, prefix: str = PREFIX, *, only_reads: bool = False) -> None:
        name = f"{prefix}:{'reader' if only_reads else 'server'}"
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=ANSWER_TIMEOUT,
            socket_connect_timeout=5,
            client_name=name,
            max_connections=1,
            retry=Retry(NoBackoff(), 0),  # a batch must not be sent again as long as the first one may be under way
        )
        where = self._redis.connection_pool.connection_kwargs
        super().__init__(
            f"redis {where.get('path') or where.get('host', 'localhost')}, keys {prefix}:*", only_reads=only_reads
        )
        self._prefix = prefix
        self._jobs = f"{prefix}:jobs"
        self._facts = f"{prefix}:facts"
        self._run_commit = self._redis.register_script(_COMMIT)
        self._run_renew = self._redis.register_script(_RENEW)
        self._session = Session()
        self._has_session = False
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
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not self._only_reads and self._is_shared():
            if time.monotonic() > deadline:
                raise StoreError(f"{self.name}: another server uses it")
            time.sleep(LOCK_TIMEOUT / 20)
        if not self._only_reads:
            self._look_for_syncs()
            self._redis.hset(self._facts, "session", self._session.start())
            self._has_session = True
        self._numbers = sorted(map(int, self._redis.hkeys(self._jobs)))
        reserved = int(self._redis.hget(self._facts, "reserved") or 0)
        end = bisect_left(self._numbers, TRANSIENT)
        return Opened(max(reserved, *self._numbers[:end][-1:], 0), len(self._numbers))

    def _is_shared(self) -> bool:
        name = f"{self._prefix}:server"
        return sum(client["name"] == name for client in self._redis.client_list()) > 1

    def _look_for_syncs(self) -> None:
        """Warn when a commit does not survive a power failure."""
        try:
            settings = self._redis.config_get("append*")
        except redis.ResponseError:
            return  # a provider who hides its settings
        if settings.get("appendonly") != "yes":
            log.warning("%s: appendonly is off, so a crash of Redis loses the jobs since its last snapshot", self.name)
        elif settings.get("appendfsync") != "always":
            setting = settings.get("appendfsync")
            log.warning("%s: appendfsync is %s, so a power failure loses jobs", self.name, setting)

    def _read(self, after: int) -> list[JobRecord]:
        jobs: list[JobRecord] = []
        while self._numbers and not jobs:  # a reader may be too late for a whole portion
            numbers, self._numbers = self._numbers[:CHUNK], self._numbers[CHUNK:]
            found = self._redis.hmget(self._jobs, [str(number) for number in numbers])
            jobs = [unpack(packed) for packed in found if isinstance(packed, bytes)]
        return jobs

    def _commit(self, changes: Sequence[Change]) -> None:
        commands = [*chain.from_iterable(self._CHANGES[type(change)](self, change) for change in changes)]
        if not self._has_session:
            self._renew_session()
        if not self._run(commands):
            self._renew_session()  # the engine may have lost all its data; otherwise this is fenced
            if not self._run(commands):
                raise self._fenced()

    def _run(self, commands: Sequence[Sequence[_Value]]) -> bool:
        """Run commands if the session is still ours, and tell whether it is."""
        arguments = [*chain.from_iterable(commands)]
        try:
            with self._doubt():
                return bool(self._run_commit(keys=[self._facts, self._jobs], args=[self._session.token, *arguments]))
        except redis.ResponseError:
            self._in_doubt = False  # an answer, which says that the script was not run
            raise

    def _put_new(self, change: PutNew) -> list[list[_Value]]:
        return self._put_packed(change.pairs())

    def _put(self, change: Put) -> list[list[_Value]]:
        return self._put_packed([(record.number, pack(record)) for record in change.records])

    def _put_packed(self, pairs: Sequence[tuple[int, bytes]]) -> list[list[_Value]]:
        return _commands("HSET", _JOBS, [value for pair in pairs for value in pair])

    def _forget(self, change: Forget) -> list[list[_Value]]:
        return _commands("HDEL", _JOBS, change.numbers)

    def _reserve(self, change: Reserve) -> list[list[_Value]]:
        return _commands("HSET", _FACTS, ["reserved", change.until])

    def _renew_session(self) -> None:
        """Take the place of the connection before, whose last batch may still be under way."""
        expected = self._session.renew()
        if not self._run_renew(keys=[self._facts], args=[self._session.token, *expected]):
            raise self._fenced()
        self._session.confirm()
        self._has_session = True

    def _fenced(self) -> StoreError:
        return StoreError(f"{self.name}: another server has taken it over", CommitOutcome.FENCED)

    def _close(self) -> None:
        self._redis.close()

    def _reset(self) -> None:
        self._redis.connection_pool.disconnect()
        self._has_session = False

    _CHANGES: ClassVar[dict[type[Any], Callable[["RedisStore", Any], list[list[_Value]]]]] = {
        PutNew: _put_new,
        Put: _put,
        Forget: _forget,
        Reserve: _reserve,
    }


def _commands(name: str, key: str, values: Sequence[_Value]) -> list[list[_Value]]:
    """Return a command, or several if there are too many values for one."""
    portions = [values[start : start + _VALUES] for start in range(0, len(values), _VALUES)]
    return [[name, key, len(portion), *portion] for portion in portions]
