# SPDX-License-Identifier: MIT
"""The table of all jobs, by handle and by unique, so that equal submissions coalesce (protocol 1.8)."""

from collections.abc import Iterator
from typing import Final

from mypy_extensions import i64

from geartrain.core.numbers import Numbers
from geartrain.core.record import JobRecord
from geartrain.core.state import MAX_LOSSES, FunctionQueue, Job, JobDetails

__all__ = ["BY_WORKLOAD", "JobTable"]

BY_WORKLOAD: Final = b"-"  # a unique that stands for the workload

# The last three digits of handles, ready to be appended: formatting a number costs three times as much.
_ENDINGS: Final = [b"%03d" % low for low in range(1000)]


class JobTable:
    """The jobs that have not ended.

    Args:
        handle_prefix: The beginning of each handle, before the colon and the number.
        numbers: The numbers for new jobs.

    Attributes:
        held: The size of all workloads in bytes.
    """

    __slots__ = ("_beginning", "_by_handle", "_by_unique", "_by_workload", "_numbers", "_prefix", "_thousand", "held")

    def __init__(self, handle_prefix: bytes, numbers: Numbers) -> None:
        self._prefix = handle_prefix + b":"
        self._numbers = numbers
        self._thousand: i64 = -1  # the thousand of `_beginning`
        self._beginning = b""
        self.held: i64 = 0
        # By handle, not by number: packets name jobs by handle, and the job has it already; numbers as keys would take
        # 32 more bytes per job.
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
        """Return the job of a function that a submission coalesces with; None without a unique."""
        if unique == BY_WORKLOAD:
            return self._by_workload.get(workload, queue) if workload else None
        return self._by_unique.get(unique, queue)

    def find_unique(self, unique: bytes) -> Job | None:
        """Return a job with that unique, of any function."""
        return self._by_unique.get_any(unique)

    def create(self, queue: FunctionQueue, unique: bytes, workload: bytes, priority: i64, reducer: bytes) -> Job:
        """Return a new job with the next number."""
        number = self._numbers.take()
        job = Job(number, self.handle_of(number), queue, unique, workload, priority)
        if len(reducer):
            job.details = JobDetails(reducer)
        self._enter(job)
        return job

    def handle_of(self, number: i64) -> bytes:
        """Return the handle of a new job or schedule with that number."""
        low: i64 = number % 1000
        thousand: i64 = number // 1000
        if not thousand:
            return self._prefix + b"%d" % number
        if thousand != self._thousand:
            self._thousand = thousand
            self._beginning = self._prefix + b"%d" % thousand
        return self._beginning + _ENDINGS[low]

    def restore(self, queue: FunctionQueue, record: JobRecord) -> Job:
        """Return a job that is restored from its record."""
        job = Job(record.number, record.handle, queue, record.unique, record.workload, record.priority)
        if _has_more(record):
            job.details = JobDetails(record.reducer, record)
        job.is_durable = True
        job.background = True
        job.losses = min(record.losses, MAX_LOSSES)
        job.was_long = record.started
        job.created_at = record.created_at
        self._enter(job)
        return job

    def _enter(self, job: Job) -> None:
        self._by_handle[job.handle] = job
        self.held += len(job.workload)
        unique = job.unique
        if len(unique):
            if unique != BY_WORKLOAD:
                self._by_unique.add(unique, job)
            elif job.workload:
                self._by_workload.add(job.workload, job)
        job.queue.total += 1

    def clear(self) -> None:
        """Remove all jobs."""
        for job in self._by_handle.values():
            job.next = job.previous = None
        self._by_handle.clear()
        self._by_unique = UniqueIndex()
        self._by_workload = UniqueIndex()

    def remove(self, job: Job) -> None:
        """Remove a job that has ended."""
        del self._by_handle[job.handle]
        self.held -= len(job.workload)
        unique = job.unique
        if len(unique):
            if unique != BY_WORKLOAD:
                self._by_unique.remove(unique, job)
            elif job.workload:
                self._by_workload.remove(job.workload, job)
        job.queue.total -= 1


def _has_more(record: JobRecord) -> bool:
    """Tell whether a record has fields that a `Job` has no attributes for."""
    return bool(
        record.reducer
        or record.unknown
        or record.failures
        or record.expires_at
        or record.depth
        or record.key
        or record.batch
        or record.origin
        or record.then
        or record.on_failure
        or record.overrides
        or record.reason
        or record.error
    )


class UniqueIndex:
    """Jobs by a key that is unique within a function.

    A key maps to its job, or, if several functions use the same key, to their jobs by function: the common case costs
    one entry in one dictionary, and a lookup by key alone needs no search through the functions.
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
        """Add a job; a job of the same function and key, which only a store can cause, stays in place."""
        found = self._jobs.get(key)
        if found is None:
            self._jobs[key] = job
        elif isinstance(found, dict):
            found.setdefault(job.queue, job)
        elif found.queue is not job.queue:
            self._jobs[key] = {found.queue: found, job.queue: job}

    def remove(self, key: bytes, job: Job) -> None:
        """Remove a job."""
        found = self._jobs.get(key)
        if found is job:
            del self._jobs[key]
        elif isinstance(found, dict) and found.get(job.queue) is job:
            del found[job.queue]
            if not found:
                del self._jobs[key]
