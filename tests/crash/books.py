# SPDX-License-Identifier: MIT
"""The record of the jobs of a crash test, which checks the promises of the server.

The promises, at any kill of the server or its store:

1. A background job whose JOB_CREATED has been read is run, unless a worker has said its last word for it.
2. A job does not run again once its end is *settled*: a background submission that was sent behind the worker's last
   word, on the same connection, has been answered by JOB_CREATED. Until then it may run again.
3. A job that runs was submitted, byte for byte, and its handle is the one that was promised.
4. No handle is promised to two jobs.
5. After a restart, the jobs of a function come by priority, and within one in the order in which they were taken.

A submission that was answered by an error, or not at all, may run or not: a server that was killed cannot revoke it.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import shake_128

from geartrain import Priority
from geartrain.wording import counted

__all__ = ["Books", "Entry", "RECEIPT", "WORK", "number_of"]

WORK = b"work"
RECEIPT = b"receipt"  # jobs whose answer settles the ends of others
_LARGE = 2_500_000  # bytes, which some stores keep in pieces


@dataclass(slots=True, eq=False)
class Entry:
    """One job.

    Attributes:
        number: Ours, by which its workload begins.
        function: Its function.
        unique: Its unique, which no other job has, or nothing.
        priority: Its priority.
        size: Bytes of its workload behind the number.
        is_for_later: It waits for a time that will not come.
        settles: The jobs whose end is settled when this one is promised.
        handle: Its handle, once it was promised.
        is_done: A worker has said its last word for it.
        is_settled: It must not run again.
    """

    number: int
    function: bytes
    unique: bytes = b""
    priority: Priority = Priority.NORMAL
    size: int = 0
    is_for_later: bool = False
    settles: Sequence["Entry"] = ()
    handle: bytes = b""
    is_done: bool = False
    is_settled: bool = False

    @property
    def workload(self) -> bytes:
        """The workload, which no other job has. It is not kept: there are many jobs."""
        number = b"%d:" % self.number
        return number + shake_128(number).digest(self.size)

    def __repr__(self) -> str:
        what = "settled" if self.is_settled else "done" if self.is_done else "promised" if self.handle else "asked for"
        return f"<{self.function.decode()} {self.number} {self.handle.decode()} {what}>"


class Books:
    """All jobs of a crash test, over all lives of the server.

    Args:
        chance: Chooses what jobs are like.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._entries: list[Entry] = []  # by number
        self._promised: dict[bytes, Entry] = {}  # by handle

    def __repr__(self) -> str:
        settled = sum(entry.is_settled for entry in self._entries)
        return f"<Books: {len(self._entries)} jobs, {len(self._promised)} promised, {settled} settled>"

    def ask(self) -> Entry:
        """Note that some job is submitted, before it is."""
        chance = self._chance
        is_for_later = chance.random() < 0.05
        entry = Entry(
            len(self._entries),
            WORK,
            unique=chance.choice((b"", b"u%d" % len(self._entries))),
            priority=Priority.NORMAL if is_for_later else chance.choice(list(Priority)),
            size=_LARGE if chance.random() < 0.002 else chance.choice((0, 10, 100, 1000, chance.randrange(50_000))),
            is_for_later=is_for_later,
        )
        self._entries.append(entry)
        return entry

    def ask_to_settle(self, done: Iterable[Entry]) -> Entry:
        """Note that a job is submitted whose promise settles the ends of others."""
        entry = Entry(len(self._entries), RECEIPT, settles=list(done))
        self._entries.append(entry)
        return entry

    def promise(self, entry: Entry, handle: bytes) -> None:
        """Note that a job was promised, under a handle."""
        other = self._promised.setdefault(handle, entry)
        assert other is entry, f"{handle!r} was promised to {other} and to {entry}"
        entry.handle = handle
        for done in entry.settles:
            done.is_settled = True

    def assign(self, handle: bytes, function: bytes, unique: bytes, workload: bytes) -> Entry:
        """Note that a worker has been given a job, and return what it is."""
        number = int(workload.partition(b":")[0])
        assert number < len(self._entries), f"{handle!r} was invented: {workload[:80]!r}"
        entry = self._entries[number]
        assert workload == entry.workload, f"{entry} came with another workload: {workload[:80]!r}"
        assert (function, unique) == (entry.function, entry.unique), f"{entry} came as {function!r} {unique!r}"
        assert entry.handle in (b"", handle), f"{entry} came as {handle!r}"
        assert self._promised.get(handle, entry) is entry, f"{handle!r} of {self._promised[handle]} came as {entry}"
        assert not entry.is_settled, f"{entry} came again"
        assert not entry.is_for_later, f"{entry} came before its time"
        return entry

    def recovered(self, came: Sequence[tuple[bytes, Entry]], waiting: Iterable[bytes]) -> None:
        """Compare what was there after a restart.

        Args:
            came: All jobs that a single worker was given, by handle, in the order in which it was.
            waiting: The handles of the jobs that are left.
        """
        assert len(dict(came)) == len(came), "a job came twice"
        found = {entry for _, entry in came}
        lost = [entry for entry in self.owed() if entry not in found]
        assert not lost, f"{counted(len(lost), 'job was', 'jobs were')} lost: {lost[:5]}"
        for function in (WORK, RECEIPT):
            order = [(entry.priority, number_of(handle)) for handle, entry in came if entry.function == function]
            assert order == sorted(order), "jobs came in another order"
        left = set(waiting)
        gone = [entry for entry in self._promised.values() if entry.is_for_later and entry.handle not in left]
        assert not gone, f"{counted(len(gone), 'job for later was', 'jobs for later were')} lost: {gone[:5]}"

    def owed(self) -> list[Entry]:
        """Return the jobs that are promised and were not done, but for those whose time has not come."""
        return [entry for entry in self._promised.values() if not (entry.is_done or entry.is_for_later)]


def number_of(handle: bytes) -> int:
    """Return the number in a handle, in whose order jobs were taken."""
    return int(handle.rpartition(b":")[2])
