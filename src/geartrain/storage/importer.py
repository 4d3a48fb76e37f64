# SPDX-License-Identifier: MIT
"""Import of jobs into a store: the number and the handle that each job gets there.

- A number is kept if it is above all that the store has used and all that came before it; otherwise the job gets the
  next one above these. So the order in which jobs come is their order in the store, and no number is used twice.
- A handle is kept, as clients may have written it down. If another job has it, it gets a suffix: ``H:a:17.2``.
- A job that the store has already, with the same handle and content, probably came with an import that broke off. It
  must not be done twice, so it is an error, or left out when the import is told to resume.
- The server that starts on the store next must not assign a handle that a job has brought along. Handles end with the
  number of their job, so numbers up to that one are reserved.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator

from geartrain.core.changes import PutNew, Reserve
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import pack
from geartrain.core.record import JobRecord
from geartrain.storage.store import CHUNK, Store, StoreError

__all__ = ["Importer", "import_jobs"]

_MAX_BATCH = 16 * 1024 * 1024  # bytes of workloads after which a batch is stored
_NUMBERED = re.compile(rb":([0-9]{1,18})\Z")


class Importer:
    """Decides number and handle of each job to import.

    Args:
        reserved: Numbers up to this one may have been used in the store.
        prefix: The beginning of new handles.
        resumes: Leave out jobs that the store has already.
        new_handles: Give all jobs new handles.

    Attributes:
        reserved: Numbers up to this one are in use from now on.
        imported: Number of jobs to store.
        renamed: Number of these that could not keep their handle.
        left_out: Number of jobs that the store has already.
    """

    def __init__(self, reserved: int, prefix: bytes, *, resumes: bool = False, new_handles: bool = False) -> None:
        self._last = reserved
        self._prefix = prefix
        self._resumes = resumes
        self._new_handles = new_handles
        self._jobs: dict[bytes, int] = {}  # content hashes by handle
        self.reserved = reserved
        self.imported = self.renamed = self.left_out = 0

    def register_existing(self, record: JobRecord) -> None:
        """Register a job that the store has."""
        self._jobs[record.handle] = _content_hash(record)

    def convert(self, record: JobRecord) -> JobRecord | None:
        """Return a job with the number and the handle that it gets, or None if the store has it already.

        Raises:
            StoreError: The store has it already, and the import is not told to resume.
        """
        content = _content_hash(record)
        number = record.number if self._last < record.number < TRANSIENT else self._last + 1
        wanted = b"" if self._new_handles else record.handle
        handle = self._free_handle(wanted or self._prefix + b":%d" % number, content)
        if handle is None:
            self.left_out += 1
            return None
        self._jobs[handle] = content
        self._last = number
        named = _NUMBERED.search(handle)
        self.reserved = max(self.reserved, number, int(named[1]) if named else 0)
        self.imported += 1
        self.renamed += bool(wanted and handle != wanted)
        return record.replace(number=number, handle=handle)

    def _free_handle(self, wanted: bytes, content: int) -> bytes | None:
        handle, copies = wanted, 1
        while (existing := self._jobs.get(handle)) is not None:
            if existing == content and not self._new_handles:
                if self._resumes:
                    return None
                raise StoreError(
                    f"the store already has the same job {handle.decode(errors='replace')}; --resume skips such jobs, "
                    "--new-handles imports them as new ones"
                )
            copies += 1
            handle = wanted + b".%d" % copies
        return handle


def _content_hash(record: JobRecord) -> int:
    """Return a hash of all that tells jobs apart except number and handle: an int, as a million are remembered."""
    return hash((record.function, record.unique, record.priority, record.workload, record.run_at, record.schedule))


async def import_jobs(store: Store, jobs: Iterable[JobRecord], importer: Importer) -> AsyncIterator[int]:
    """Store jobs in batches, each of which is stored whole or not at all; yield the size of each.

    Raises:
        StoreError: A job cannot be read or stored. All batches before its own are stored.
    """
    async for records in store.replay():
        for record in records:
            importer.register_existing(record)
    for batch in _batches(jobs, importer):
        new = PutNew([record.number for record in batch], b"".join(map(pack, batch)))
        await store.commit([new, Reserve(importer.reserved)])
        yield len(batch)


def _batches(jobs: Iterable[JobRecord], importer: Importer) -> Iterator[list[JobRecord]]:
    batch: list[JobRecord] = []
    weight = 0
    for job in jobs:
        converted = importer.convert(job)
        if converted is not None:
            batch.append(converted)
            weight += len(job.workload)
            if len(batch) == CHUNK or weight > _MAX_BATCH:
                yield batch
                batch, weight = [], 0
    if batch:
        yield batch
