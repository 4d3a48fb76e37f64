# SPDX-License-Identifier: MIT
"""Jobs from elsewhere on their way into a store: which number and which handle each of them gets there.

- A number is kept if it is above all that the store has used and all that came before it; else the job gets the next
  one above these. So the order in which jobs come is their order in the store, and no number is used twice.
- A handle is kept, as somebody may have written it down. If another job has it, it gets an ending: ``H:a:17.2``.
- A job that the store has already, with its handle and all that it is, has probably come with an import that broke off.
  Nobody wants it done twice, so it is an error, or left out when the import is told to resume.
- The server that starts on the store next must not give out a handle that a job has brought along. Handles end with the
  number of their job, so numbers up to that one are reserved.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage.store import CHUNK, Store, StoreError

__all__ = ["Intake", "bring_in"]

_WEIGHT = 16 * 1024 * 1024  # bytes of workloads after which a batch has enough
_NUMBERED = re.compile(rb":([0-9]{1,18})\Z")


class Intake:
    """Decides what becomes of each job that comes.

    Args:
        created: Numbers up to this one may have been used in the store.
        prefix: What the handles of new jobs begin with.
        resumes: Whether jobs that the store has already are left out.
        new_handles: Whether the handles that jobs come with are not kept.

    Attributes:
        reserve: Numbers up to this one are in use from now on.
        taken: How many jobs have come.
        renamed: How many of them could not keep their handle.
        known: How many were left out.
    """

    def __init__(self, created: int, prefix: bytes, *, resumes: bool = False, new_handles: bool = False) -> None:
        self._last = created
        self._prefix = prefix
        self._resumes = resumes
        self._new_handles = new_handles
        self._jobs: dict[bytes, int] = {}  # what each handle stands for
        self.reserve = created
        self.taken = self.renamed = self.known = 0

    def know(self, record: JobRecord) -> None:
        """Take note of a job that the store has."""
        self._jobs[record.handle] = _essence(record)

    def take(self, record: JobRecord) -> JobRecord | None:
        """Return a job as the store is to have it, or None if it has it already.

        Raises:
            StoreError: It has it already, and that is not expected.
        """
        essence = _essence(record)
        number = max(record.number, self._last + 1)
        wanted = b"" if self._new_handles else record.handle
        handle = self._free_handle(wanted or self._prefix + b":%d" % number, essence)
        if handle is None:
            self.known += 1
            return None
        self._jobs[handle] = essence
        self._last = number
        named = _NUMBERED.search(handle)
        self.reserve = max(self.reserve, number, int(named[1]) if named else 0)
        self.taken += 1
        self.renamed += bool(wanted and handle != wanted)
        return record._replace(number=number, handle=handle)

    def _free_handle(self, wanted: bytes, essence: int) -> bytes | None:
        handle, copies = wanted, 1
        while (known := self._jobs.get(handle)) is not None:
            if known == essence and not self._new_handles:
                if self._resumes:
                    return None
                raise StoreError(
                    f"the store has job {handle.decode(errors='replace')} already, and it is the same; --resume leaves "
                    "out what is there, --new-handles takes all jobs as new ones"
                )
            copies += 1
            handle = wanted + b".%d" % copies
        return handle


def _essence(record: JobRecord) -> int:
    """Return what tells jobs apart apart from their names: a number, as a million jobs have to be remembered."""
    return hash((record.function, record.unique, record.priority, record.workload, record.run_at, record.schedule))


async def bring_in(store: Store, jobs: Iterable[JobRecord], intake: Intake) -> AsyncIterator[int]:
    """Store jobs in batches, each of which is stored whole or not at all; yield after each how many that were.

    Raises:
        StoreError: A job cannot be had, or not be stored. All batches before its own are stored.
    """
    async for records in store.replay():
        for record in records:
            intake.know(record)
    for batch in _batches(jobs, intake):
        await store.commit(batch)
        yield len(batch.stored)


def _batches(jobs: Iterable[JobRecord], intake: Intake) -> Iterator[Batch]:
    stored: list[JobRecord] = []
    weight = 0
    for job in jobs:
        taken = intake.take(job)
        if taken is not None:
            stored.append(taken)
            weight += len(job.workload)
            if len(stored) == CHUNK or weight > _WEIGHT:
                yield Batch(stored, reserve=intake.reserve)
                stored, weight = [], 0
    if stored:
        yield Batch(stored, reserve=intake.reserve)
