# SPDX-License-Identifier: MIT
"""A simulated disk, and a store on it.

The disk is a log of frames, each with a checksum. A crash loses or tears the last of them.

The store keeps the contract of `geartrain.storage.Store`, and fails within it: a commit is slow, is not stored, or is
in doubt; then it is stored at once, or before the next commit, or never.
"""

import asyncio
import pickle
import random
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from geartrain.core import CommitOutcome
from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.packing import pack, unpack
from geartrain.core.record import JobRecord
from geartrain.storage import Opened, StoreError
from tests.simulation.timeline import Trace, Violation

__all__ = ["Disk", "DiskFaults", "SimulatedStore", "Table", "table_of"]

_HEAD = struct.Struct(">II")  # length and checksum of a frame
_CHUNK = 20  # records that a replay yields at once

_Operation = tuple[str, int, bytes]  # put, forget or reserve; a number; a packed record


class Disk:
    """A file that is only appended to.

    Attributes:
        synced: Number of bytes that survive a crash.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self.synced = 0

    def append(self, frame: bytes) -> None:
        """Write a frame, which is not safe yet."""
        self._data += _HEAD.pack(len(frame), zlib.crc32(frame)) + frame

    def sync(self) -> None:
        """Make all that was written safe."""
        self.synced = len(self._data)

    def crash(self, chance: random.Random) -> str:
        """Lose what was not synced, or a part of it; return the fault."""
        unsafe = len(self._data) - self.synced
        kept = chance.choice((0, unsafe, chance.randint(0, unsafe)))
        del self._data[self.synced + kept :]
        self.synced = len(self._data)
        return "" if kept == unsafe else "lost write" if not kept else "torn write"

    def frames(self) -> Iterator[bytes]:
        """Yield the complete frames, and cut off what is behind them."""
        position = 0
        while position + _HEAD.size <= len(self._data):
            size, checksum = _HEAD.unpack_from(self._data, position)
            frame = bytes(self._data[position + _HEAD.size : position + _HEAD.size + size])
            if len(frame) < size or zlib.crc32(frame) != checksum:
                break
            yield frame
            position += _HEAD.size + size
        del self._data[position:]
        self.synced = min(self.synced, position)

    def replace(self, frame: bytes) -> None:
        """Replace the file by one with a single frame, safely."""
        self._data.clear()
        self.append(frame)
        self.sync()


@dataclass(frozen=True, kw_only=True)
class DiskFaults:
    """The probabilities of faults of a store, each for one commit.

    Attributes:
        fails: The commit fails, and is not stored.
        doubtful: The commit fails, and may be stored.
        slow: The commit takes up to `slowest` seconds.
        slowest: Seconds.
        fenced: Another server has taken over.
        closed: The store cannot be opened or read.
    """

    fails: float = 0.0
    doubtful: float = 0.0
    slow: float = 0.0
    slowest: float = 5.0
    fenced: float = 0.0
    closed: float = 0.0


class Table:
    """The content of a store.

    Attributes:
        jobs: The packed records by number.
        reserved: The last number that was reserved.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, bytes] = {}
        self.reserved = 0

    def apply(self, operations: Sequence[_Operation]) -> None:
        """Apply one commit."""
        for kind, number, record in operations:
            if kind == "put":
                self.jobs[number] = record
            elif kind == "forget":
                self.jobs.pop(number, None)
            else:
                self.reserved = number

    def frame(self) -> bytes:
        """Return a frame with all of it."""
        operations: list[_Operation] = [("put", number, record) for number, record in self.jobs.items()]
        return pickle.dumps([*operations, ("reserve", self.reserved, b"")])


class SimulatedStore:
    """A store on a simulated disk, for one life of the server.

    Args:
        disk: The disk.
        faults: The probabilities of faults.
        chance: Decides on them.
        trace: Gets each commit.
        counts: Gets each fault.
    """

    name = "a simulated store"

    def __init__(
        self, disk: Disk, faults: DiskFaults, chance: random.Random, trace: Trace, counts: dict[str, int]
    ) -> None:
        self._disk = disk
        self.faults = faults
        self._chance = chance
        self._trace = trace
        self._counts = counts
        self._in_doubt: bytes | None = None
        self.is_fenced = False
        self.table = Table()

    async def open(self) -> Opened:
        """Read the disk."""
        await self._take_time()
        self._fail_to("open", self.faults.closed)
        self.table = table_of(self._disk)
        self._disk.replace(self.table.frame())
        return Opened(self.table.reserved, len(self.table.jobs))

    async def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        """Yield all records, some at a time."""
        numbers = sorted(self.table.jobs)
        for begin in range(0, len(numbers), _CHUNK):
            await self._take_time()
            self._fail_to("read", self.faults.closed)
            yield [unpack(self.table.jobs[number]) for number in numbers[begin : begin + _CHUNK]]

    async def commit(self, changes: Sequence[Change]) -> None:
        """Store all changes or none."""
        faults, chance = self.faults, self._chance
        operations = self._operations(changes)
        frame = pickle.dumps(operations)
        self._trace.note("commit", [(kind, number) for kind, number, _ in operations])
        if self._in_doubt is not None and chance.random() < 0.5:
            self._settle_doubt()
        if self.is_fenced or chance.random() < faults.fenced:
            self.is_fenced = True
            self._count("commit fenced off")
            raise StoreError("another server has taken over", CommitOutcome.FENCED)
        if chance.random() < faults.fails:
            await self._take_time()
            self._count("commit failed")
            raise StoreError("the disk is full", CommitOutcome.NOT_STORED)
        if chance.random() < faults.doubtful:
            await self._fail_in_doubt(frame)
        self._disk.append(frame)
        await self._take_time()
        self._disk.sync()
        self._in_doubt = None
        self.table.apply(operations)

    async def close(self) -> None:
        """Do nothing: all that was promised is synced."""

    async def _fail_in_doubt(self, frame: bytes) -> None:
        await self._take_time()
        self._count("commit in doubt")
        if self._in_doubt is not None:
            self._settle_doubt()
        self._in_doubt = frame
        if self._chance.random() < 0.3:
            self._settle_doubt()
        raise StoreError("no answer", CommitOutcome.UNKNOWN)

    def _settle_doubt(self) -> None:
        """Store the commit that was in doubt."""
        assert self._in_doubt is not None, "a commit is in doubt"
        self._disk.append(self._in_doubt)
        self._disk.sync()
        self.table.apply(pickle.loads(self._in_doubt))  # noqa: S301  # it is our own
        self._in_doubt = None

    def crash(self) -> None:
        """Decide on a commit in doubt when the server is killed."""
        if self._in_doubt is not None and self._chance.random() < 0.5:
            self._settle_doubt()

    async def _take_time(self) -> None:
        faults, chance = self.faults, self._chance
        is_slow = chance.random() < faults.slow
        if is_slow:
            self._count("slow store")
        await asyncio.sleep(chance.random() * (faults.slowest if is_slow else 0.003))

    def _fail_to(self, step: str, probability: float) -> None:
        if self._chance.random() < probability:
            self._count(f"store failed to {step}")
            raise StoreError(f"it fails to {step}")

    def _count(self, fault: str) -> None:
        self._counts[fault] = self._counts.get(fault, 0) + 1
        self._trace.note(fault)

    def _operations(self, changes: Sequence[Change]) -> list[_Operation]:
        """Return the changes as values, and check that they keep the contract of a store."""
        forget: list[_Operation] = []
        put: list[_Operation] = []
        for change in changes:
            if isinstance(change, Forget):
                forget += [("forget", number, b"") for number in change.numbers]
            elif isinstance(change, PutNew):
                for number, record in change.pairs():
                    if number in self.table.jobs:
                        raise Violation(f"number {number} is stored as new, and is in the store already")
                    put.append(("put", number, record))
            elif isinstance(change, Put):
                put += [("put", record.number, pack(record)) for record in change.records]
            elif isinstance(change, Reserve):
                put.append(("reserve", change.until, b""))
        numbers = [number for kind, number, _ in put if kind == "put"]
        if len(numbers) != len(set(numbers)):
            raise Violation(f"a commit stores a number twice: {sorted(numbers)}")
        return [*forget, *put]


def table_of(disk: Disk) -> Table:
    """Return what is on a disk."""
    table = Table()
    for frame in disk.frames():
        table.apply(pickle.loads(frame))  # noqa: S301  # it is our own
    return table
