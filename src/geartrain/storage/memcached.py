# SPDX-License-Identifier: MIT
"""Jobs in memcached. The extra ``memcached`` brings the library.

memcached is memory: jobs survive the end of the job server, and not that of memcached. Start it with ``-M``, or it
drops the oldest when it is full. It knows no transactions: a batch that fails may be there in part, and is then told
again. Keys are ``<prefix>:<number>:<part>``; what is larger than an item may be is in several parts, the last of which
is written first, so that a job whose first part is there is complete.
"""

import re
import socket
from collections.abc import Iterator
from urllib.parse import SplitResult, unquote

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.address import Address
from geartrain.storage.packing import pack, unpack
from geartrain.storage.store import CHUNK, Opened, StoreError, needed
from geartrain.storage.threaded import PATIENCE, ThreadedStore

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
        host: Where it is.
        port: Its port.
        prefix: What our keys begin with; servers that share a memcached need one each.
        only_reads: Whether it is only looked at.
    """

    failures = (MemcacheError, OSError)

    def __init__(
        self, host: str = "localhost", port: int = PORT, prefix: str = PREFIX, *, only_reads: bool = False
    ) -> None:
        super().__init__(f"memcached {host}:{port}, keys {prefix}:*", only_reads=only_reads)
        self._address = (host, port)
        self._memcached = Client(self._address, connect_timeout=5, timeout=PATIENCE, no_delay=True)
        self._prefix = prefix
        self._parts: dict[int, int] = {}  # how many parts each job has that has more than one
        self._numbers: list[int] = []  # of the jobs that have yet to be read

    @classmethod
    def from_url(cls, parts: SplitResult, *, only_reads: bool = False) -> "MemcachedStore":
        """Return the store behind ``memcached://host:port?prefix=geartrain``."""
        where = Address.read(parts, "memcached", PORT)
        prefix = where.options.get("prefix", PREFIX)
        if not re.fullmatch(r"[!-~]{1,100}", prefix):
            raise StoreError(f"a prefix has up to 100 printable characters without spaces, unlike {prefix!r}")
        return cls(where.host, where.port, prefix, only_reads=only_reads)

    def _open(self) -> Opened:
        self._numbers = sorted(self._stored_numbers())
        reserved = int(self._memcached.get(f"{self._prefix}:reserved") or 0)
        return Opened(max(reserved, *self._numbers[-1:], 0), len(self._numbers))

    def _stored_numbers(self) -> Iterator[int]:
        """Yield the numbers of all jobs that are complete."""
        ours = re.compile(re.escape(self._prefix) + r":(-?\d+):0")
        # The library has no command for it that can take more than one packet.
        with socket.create_connection(self._address, PATIENCE) as sock, sock.makefile("rwb") as lines:
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
        raise StoreError(f"{self.name}: it cannot list its keys without missing some, as memcached 1.6.18 can")

    def _read(self, after: int) -> list[JobRecord]:
        jobs: list[JobRecord] = []
        while self._numbers and not jobs:  # who only looks may come too late for a whole portion
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

    def _commit(self, batch: Batch) -> None:
        for job in batch.stored:
            data = pack(job)
            pieces = [data[start : start + _PART] for start in range(0, len(data), _PART)]
            if len(pieces) > 255:
                raise StoreError(f"{self.name}: a job may have {255 * _PART} bytes, not {len(data)}")
            pieces[0] = bytes([len(pieces)]) + pieces[0]
            if len(pieces) > 1:
                self._parts[job.number] = len(pieces)
            for part in reversed(range(len(pieces))):
                self._set(self._key(job.number, part), pieces[part])
        for number in batch.finished:
            for part in range(self._parts.pop(number, 1)):
                self._memcached.delete(self._key(number, part), noreply=True)
        if batch.reserve:
            self._set(f"{self._prefix}:reserved", b"%d" % batch.reserve)
        self._memcached.version()  # and all that was sent without a reply has arrived

    def _set(self, key: str, value: bytes) -> None:
        if not self._memcached.set(key, value, noreply=False):
            raise StoreError(f"{self.name}: it does not take {key}; is it full?")

    def _key(self, number: int, part: int = 0) -> str:
        return f"{self._prefix}:{number}:{part}"

    def _close(self) -> None:
        self._memcached.close()

    def _reset(self) -> None:
        self._memcached.close()
