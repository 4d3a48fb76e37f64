# SPDX-License-Identifier: MIT
"""All jobs, by handle and by what makes two submissions the same job (protocol 1.8)."""

from collections.abc import Iterator
from typing import Final

from geartrain.core.state import FunctionQueue, Job, UncommonJob
from geartrain.jobrecord import JobRecord

__all__ = ["BY_WORKLOAD", "JobTable"]

BY_WORKLOAD: Final = b"-"  # a unique that says: the workload is the unique


class JobTable:
    """The jobs that have not ended.

    Attributes:
        created: The number of the newest job; numbers, and with them handles, are not used again.
        held: The bytes of all their workloads.
    """

    __slots__ = ("_by_handle", "_by_unique", "_by_workload", "_prefix", "created", "held")

    def __init__(self, handle_prefix: bytes) -> None:
        self._prefix = handle_prefix + b":"
        self.created = 0
        self.held = 0
        self._by_handle: dict[bytes, Job] = {}
        self._by_unique = UniqueIndex()
        self._by_workload = UniqueIndex()

    def __len__(self) -> int:
        return len(self._by_handle)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_handle.values())

    def get(self, handle: bytes) -> Job | None:
        """Return the job with that handle."""
        return self._by_handle.get(handle)

    def find_same(self, queue: FunctionQueue, unique: bytes, workload: bytes) -> Job | None:
        """Return the job of that function that a submission coalesces with; one without a unique never does."""
        if unique == BY_WORKLOAD:
            return self._by_workload.get(workload, queue) if workload else None
        return self._by_unique.get(unique, queue)

    def find_unique(self, unique: bytes) -> Job | None:
        """Return a job with that unique, of whatever function."""
        return self._by_unique.get_any(unique)

    def create(self, queue: FunctionQueue, unique: bytes, workload: bytes, priority: int, reducer: bytes) -> Job:
        """Return a new job with the next handle."""
        number, handle = self.name()
        if reducer:
            job: Job = UncommonJob(number, handle, queue, unique, workload, priority, reducer)
        else:
            job = Job(handle, queue, unique, workload, priority)
        self._enter(job)
        return job

    def name(self) -> tuple[int, bytes]:
        """Return the next number, and the handle that belongs to it."""
        self.created += 1
        return self.created, self._prefix + b"%d" % self.created

    def restore(self, queue: FunctionQueue, record: JobRecord) -> Job:
        """Return a job that was there before the server was."""
        number, handle, _, unique, priority, workload, _, _, reducer, *_ = record
        if reducer or not handle.endswith(b":%d" % number):
            job: Job = UncommonJob(number, handle, queue, unique, workload, priority, reducer)
        else:
            job = Job(handle, queue, unique, workload, priority)
        job.is_durable = True
        job.background = True
        job.retries = record.retries
        self._enter(job)
        return job

    def _enter(self, job: Job) -> None:
        self._by_handle[job.handle] = job
        self.held += len(job.workload)
        unique = job.unique
        if unique:
            if unique != BY_WORKLOAD:
                self._by_unique.add(unique, job)
            elif job.workload:
                self._by_workload.add(job.workload, job)
        job.queue.total += 1

    def remove(self, job: Job) -> None:
        """Forget a job that has ended."""
        del self._by_handle[job.handle]
        self.held -= len(job.workload)
        unique = job.unique
        if unique:
            if unique != BY_WORKLOAD:
                self._by_unique.remove(unique, job)
            elif job.workload:
                self._by_workload.remove(job.workload, job)
        job.queue.total -= 1


class UniqueIndex:
    """Jobs by a key that is unique within a function.

    A key leads to its job, or, when several functions use the same key, to their jobs by function: the common case
    then costs one place in one dictionary, and a question about a key alone needs no search through the functions.
    """

    __slots__ = ("_jobs",)

    def __init__(self) -> None:
        self._jobs: dict[bytes, Job | dict[FunctionQueue, Job]] = {}

    def get(self, key: bytes, queue: FunctionQueue) -> Job | None:
        """Return the job of that function."""
        found = self._jobs.get(key)
        if found is None:
            return None
        if isinstance(found, dict):
            return found.get(queue)
        return found if found.queue is queue else None

    def get_any(self, key: bytes) -> Job | None:
        """Return the first job with that key."""
        found = self._jobs.get(key)
        return next(iter(found.values())) if isinstance(found, dict) else found

    def add(self, key: bytes, job: Job) -> None:
        """Add a job. If its function has one with that key, which only a store can bring about, that one keeps it."""
        found = self._jobs.get(key)
        if found is None:
            self._jobs[key] = job
        elif isinstance(found, dict):
            found.setdefault(job.queue, job)
        elif found.queue is not job.queue:
            self._jobs[key] = {found.queue: found, job.queue: job}

    def remove(self, key: bytes, job: Job) -> None:
        """Forget a job."""
        found = self._jobs.get(key)
        if found is job:
            del self._jobs[key]
        elif isinstance(found, dict) and found.get(job.queue) is job:
            del found[job.queue]
            if not found:
                del self._jobs[key]
