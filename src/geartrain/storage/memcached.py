# SPDX-License-Identifier: MIT
"""Jobs in memcached. The extra ``memcached`` brings the library.

memcached is memory: jobs survive the end of the job server, and not that of memcached. Start it with ``-M``, or it
drops the oldest when it is full. It knows no transactions: a batch that fails may be there in part. Keys are
``<prefix>:<number>:<part>``; what is larger than an item may be is in several parts, the last of which is written
first, so that a job whose first part is there is complete.

The key ``<prefix>:session`` has the token of the server that opened the store last. A server looks at it before each
batch, and stores nothing more if another server has written its own. memcached may lose the key with everything else.
"""

import re
import socket
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import pack, unpack
from geartrain.core.record import JobRecord
from geartrain.storage.address import Address
from geartrain.storage.session import Session
from geartrain.storage.store import CHUNK, CommitOutcome, Opened, StoreError, needed
from geartrain.storage.threaded import ANSWER_TIMEOUT, ThreadedStore

with needed("memcached"):
    from pymemcache.client.base import Client
    from pymemcache.exceptions import MemcacheError

__all__ = ["MemcachedStore"]

PORT = 11211
PREFIX = "geartrain"
_PART = 1000 * 1000  # bytes; an item may have 1 MiB, with its key and some more


class MemcachedStore(ThreadedStore):
    """Jobs in a memcached server.

    Args:
        host: The server's host.
        port: Its port.
        prefix: The beginning of all keys; servers that share a memcached need one each.
        only_reads: Open the store for reading.
    """

    failures = (MemcacheError, OSError)
    absences = (OSError,)

    def __init__(
        self, host: str = "localhost", port: int = PORT, prefix: str = PREFIX, *, only_reads: bool = False
    ) -> None:
        super().__init__(f"memcached {host}:{port}, keys {prefix}:*", only_reads=only_reads)
        self._address = (host, port)
        self._memcached = Client(self._address, connect_timeout=5, timeout=ANSWER_TIMEOUT, no_delay=True)
        self._prefix = prefix
        self._session = Session()
        self._parts: dict[int, int] = {}  # number of parts of each job that has more than one
        self._numbers: list[int] = []  # of the jobs that have yet to be read

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "MemcachedStore":
        """Return the store behind ``memcached://host:port?prefix=geartrain``."""
        where = Address.read(parts, "memcached", PORT)
        prefix = where.options.get("prefix", PREFIX)
        if not re.fullmatch(r"[!-~]{1,100}", prefix):
            raise StoreError(f"a prefix has up to 100 printable characters without spaces, not {prefix!r}")
        return cls(where.host, where.port, prefix, only_reads=only_reads)

    def _open(self) -> Opened:
        if not self._only_reads:
            self._set(f"{self._prefix}:session", b"%d" % self._session.start())
        self._numbers = sorted(self._stored_numbers())
        reserved = int(self._memcached.get(f"{self._prefix}:reserved") or 0)
        end = bisect_left(self._numbers, TRANSIENT)
        return Opened(max(reserved, *self._numbers[:end][-1:], 0), len(self._numbers))

    def _stored_numbers(self) -> Iterator[int]:
        """Yield the numbers of all jobs that are complete."""
        ours = re.compile(re.escape(self._prefix) + r":(-?\d+):0")
        # The library has no command for it that can take more than one packet.
        with socket.create_connection(self._address, ANSWER_TIMEOUT) as sock, sock.makefile("rwb") as lines:
            # Along the hash table: along the lists of what was used when (``all``) it misses a key in a thousand tries,
            # which just moves from list to list.
            lines.write(b"lru_crawler metadump hash\r\n")
            lines.flush()
            for line in lines:
                if line == b"END\r\n":
                    return
                if not line.startswith(b"key="):
                    break
                found = ours.fullmatch(unquote(line[4:].split(b" ", 1)[0].decode()))
                if found:
                    yield int(found[1])
        raise StoreError(f"{self.name}: it cannot list all its keys reliably; use memcached 1.6.18 or later")

    def _read(self, after: int) -> list[JobRecord]:
        jobs: list[JobRecord] = []
        while self._numbers and not jobs:  # a reader may be too late for a whole portion
            numbers, self._numbers = self._numbers[:CHUNK], self._numbers[CHUNK:]
            firsts = self._memcached.get_many([self._key(number) for number in numbers])
            wholes = (self._whole(n, firsts[self._key(n)]) for n in numbers if self._key(n) in firsts)
            jobs = [job for job in wholes if job is not None]
        return jobs

    def _whole(self, number: int, first: bytes) -> JobRecord | None:
        count, data = first[0], first[1:]
        if count > 1:
            self._parts[number] = count
            keys = [self._key(number, part) for part in range(1, count)]
            found = self._memcached.get_many(keys)
            if len(found) != len(keys):
                if self._only_reads:
                    return None  # it ended meanwhile
                raise StoreError(f"{self.name}: a part of job {number} is gone; is memcached full?")
            data += b"".join([found[key] for key in keys])
        return unpack(data)

    def _commit(self, changes: Sequence[Change]) -> None:
        self._check_session()
        with self._doubt():
            for change in changes:
                self._CHANGES[type(change)](self, change)
            self._memcached.version()  # and all that was sent without a reply has arrived
        for change in changes:
            if isinstance(change, Forget):
                for number in change.numbers:
                    self._parts.pop(number, None)

    def _check_session(self) -> None:
        """Check that no other server has opened the store since this one did."""
        key, token = f"{self._prefix}:session", b"%d" % self._session.token
        if self._memcached.get(key) == token:
            return
        # A memcached that was restarted has no key.
        if not self._memcached.add(key, token, noreply=False) and self._memcached.get(key) != token:
            raise StoreError(f"{self.name}: another server has taken it over", CommitOutcome.FENCED)

    def _put_new(self, change: PutNew) -> None:
        for number, packed in change.pairs():
            self._put_packed(number, packed)

    def _put(self, change: Put) -> None:
        for record in change.records:
            self._put_packed(record.number, pack(record))

    def _put_packed(self, number: int, packed: bytes) -> None:
        parts = [packed[start : start + _PART] for start in range(0, len(packed), _PART)]
        if len(parts) > 255:
            message = f"{self.name}: a job may have {255 * _PART} bytes, not {len(packed)}"
            raise StoreError(message, CommitOutcome.UNKNOWN)  # other jobs of the batch may be there
        parts[0] = bytes([len(parts)]) + parts[0]
        if len(parts) > 1:
            self._parts[number] = len(parts)
        for part in reversed(range(len(parts))):
            self._set(self._key(number, part), parts[part])

    def _forget(self, change: Forget) -> None:
        for number in change.numbers:
            for part in range(self._parts.get(number, 1)):
                self._memcached.delete(self._key(number, part), noreply=True)

    def _reserve(self, change: Reserve) -> None:
        self._set(f"{self._prefix}:reserved", b"%d" % change.until)

    def _set(self, key: str, value: bytes) -> None:
        if not self._memcached.set(key, value, noreply=False):
            raise StoreError(f"{self.name}: it did not store {key}; is it full?", CommitOutcome.UNKNOWN)

    def _key(self, number: int, part: int = 0) -> str:
        return f"{self._prefix}:{number}:{part}"

    def _close(self) -> None:
        self._memcached.close()

    def _reset(self) -> None:
        self._memcached.close()

    _CHANGES: ClassVar[dict[type[Any], Callable[["MemcachedStore", Any], None]]] = {
        PutNew: _put_new,
        Put: _put,
        Forget: _forget,
        Reserve: _reserve,
    }
