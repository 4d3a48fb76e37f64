# SPDX-License-Identifier: MIT
"""Partition functions of a blocking worker. Its twin is `geartrain.worker.aio.partition`."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, TypeAlias

from geartrain.client import SubmittedJob
from geartrain.errors import Fail, JobFailed
from geartrain.records import Data
from geartrain.worker.partition import EndsWithItsParts, Reduction, is_part, join_results
from geartrain.worker.sync.calls import Call
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Aggregate", "SubmitPart", "as_partition"]

# Submits a part to a reducer, given by its name on the wire.
SubmitPart: TypeAlias = Callable[[bytes, bytes], SubmittedJob]

# Joins the results of the parts, which come in the order of the parts.
Aggregate: TypeAlias = Callable[[Iterator[Any]], object]


class Parts:
    """The parts of one job: a limited number at a time, with results in order.

    Args:
        submit: Submits a part.
        limit: The number of parts that are with the reducer at a time.
    """

    def __init__(self, submit: Callable[[bytes], SubmittedJob], limit: int) -> None:
        self._submit = submit
        self._limit = limit
        self._running: deque[SubmittedJob] = deque()
        self._results: deque[bytes] = deque()

    def add(self, part: bytes) -> None:
        """Submit a part; at the limit, wait for the oldest one."""
        self._running.append(self._submit(part))
        if len(self._running) >= self._limit:
            self._results.append(_whole(self._running[0]))
            self._running.popleft()

    def finished(self) -> Iterator[bytes]:
        """Yield the results that have arrived."""
        while self._results:
            yield self._results.popleft()

    def rest(self) -> Iterator[bytes]:
        """Yield the results of all parts, and wait for them."""
        yield from self.finished()
        while self._running:
            yield _whole(self._running[0])
            self._running.popleft()

    def abandon(self) -> None:
        """Drop the results that are still to come."""
        for job in self._running:
            job.abandon()


def _whole(job: SubmittedJob) -> bytes:
    """Return the whole result of a reducer, which may have sent it in pieces."""
    pieces = [event.data for event in job if isinstance(event, Data)]
    return b"".join((*pieces, job.result()))


class PartitionJob(EndsWithItsParts, AssignedJob):
    """The job that a partition function is called with: the data that it sends become parts."""

    __slots__ = ("_parts",)

    def __init__(self, job: AssignedJob, parts: Parts) -> None:
        super().__init__(job.assignment, job._function, job._options, job.send)
        self._parts = parts

    def data(self, chunk: object) -> None:
        """Submit a part; wait while as many as allowed are with the reducer."""
        self._parts.add(self.encode(chunk))


def as_partition(function: Callable[..., Any], plain: Call, reduction: Reduction[SubmitPart, Aggregate]) -> Call:
    """Return a callable that does a job by splitting it into parts.

    Args:
        function: Makes the parts of a job.
        plain: Does a job that has no reducer.
        reduction: The reducer and the aggregate.
    """

    def call(job: AssignedJob) -> object:
        reducer = job.assignment.reducer or reduction.reducer
        if not reducer:
            return plain(job)
        parts = Parts(partial(reduction.submit, reducer), reduction.max_in_flight)
        results = _results(function, PartitionJob(job, parts), parts)
        try:
            joined = _joined(job, results, reduction.aggregate)
            for _ in results:  # the job includes all parts, even if the aggregate does not read the last results
                pass
        except JobFailed as failure:
            raise Fail(f"a part failed: {failure}") from failure
        finally:
            results.close()
            parts.abandon()
        return joined

    return call


def _results(function: Call, job: PartitionJob, parts: Parts) -> Generator[bytes, None, None]:
    """Yield the results, and take parts from the function as results are read."""
    result = function(job)
    if isinstance(result, Generator):
        result = yield from _pieces(result, job, parts)
    if is_part(job, result):
        job.data(result)
    yield from parts.rest()


def _pieces(pieces: Generator[object, None, object], job: PartitionJob, parts: Parts) -> Generator[bytes, None, object]:
    try:
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                return end.value
            job.data(piece)
            yield from parts.finished()
    finally:
        pieces.close()


def _joined(job: AssignedJob, results: Iterator[bytes], aggregate: Aggregate | None) -> object:
    if aggregate is not None:
        return aggregate(map(job.codec.decode, results))
    return join_results(job, results)
