# SPDX-License-Identifier: MIT
"""Jobs whose parts other workers do: the parts go out to a reducer, and what becomes of them is joined here."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeAlias

from geartrain.client import SubmittedJob
from geartrain.codecs import RAW
from geartrain.errors import JobFail, JobFailed
from geartrain.records import Data
from geartrain.worker.partition import ENDS_BY_ITSELF, is_part
from geartrain.worker.sync.calls import Call
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Aggregate", "Reduction", "as_partition"]

# Joins the results of the parts, which come in the order of these.
Aggregate: TypeAlias = Callable[[Iterator[Any]], object]


class Parts:
    """The parts of one job: so many at a time are with the reducer, and their results come in order.

    Args:
        submit: Has a part done.
        limit: How many are done at a time.
    """

    def __init__(self, submit: Callable[[bytes], SubmittedJob], limit: int) -> None:
        self._submit = submit
        self._limit = limit
        self._running: deque[SubmittedJob] = deque()
        self._results: deque[bytes] = deque()

    def add(self, part: bytes) -> None:
        """Have a part done; wait for the oldest one if there are enough."""
        self._running.append(self._submit(part))
        if len(self._running) >= self._limit:
            self._results.append(_whole(self._running[0]))
            self._running.popleft()

    def finished(self) -> Iterator[bytes]:
        """Yield the results that are there."""
        while self._results:
            yield self._results.popleft()

    def rest(self) -> Iterator[bytes]:
        """Yield the results of all parts, and wait for them."""
        yield from self.finished()
        while self._running:
            yield _whole(self._running[0])
            self._running.popleft()

    def abandon(self) -> None:
        """Wait for none of them any longer."""
        for job in self._running:
            job.abandon()


def _whole(job: SubmittedJob) -> bytes:
    """Return all that a reducer sent, as it may have sent it in pieces."""
    pieces = [event.data for event in job if isinstance(event, Data)]
    return b"".join((*pieces, job.result()))


class PartitionJob(AssignedJob):
    """What a partition is called with: what it sends becomes parts."""

    __slots__ = ("_parts",)

    def __init__(self, job: AssignedJob, parts: Parts) -> None:
        super().__init__(job.assignment, job.function, job.client_id, job.send, job.codec)
        self._parts = parts

    def data(self, chunk: object) -> None:
        """Have a part done; wait as long as enough of them are under way."""
        self._parts.add(self.encode(chunk))

    def fail(self) -> NoReturn:
        """Refuse to."""
        raise RuntimeError(ENDS_BY_ITSELF)

    def complete(self, result: object) -> NoReturn:
        """Refuse to."""
        raise RuntimeError(ENDS_BY_ITSELF)


@dataclass(frozen=True, slots=True)
class Reduction:
    """What becomes of the parts of a function's jobs.

    Attributes:
        submit: Has a reducer, by its name on the wire, do a part.
        reducer: Who does the parts of a job that names no reducer; if that is nobody, they are sent to the client.
        aggregate: Joins their results; by default one after the other.
        max_in_flight: How many parts of a job are done at a time.
    """

    submit: Callable[[bytes, bytes], SubmittedJob]
    reducer: bytes
    aggregate: Aggregate | None
    max_in_flight: int

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise ValueError(f"max_in_flight is a number above 0, not {self.max_in_flight}")


def as_partition(function: Callable[..., Any], plain: Call, reduction: Reduction) -> Call:
    """Return what does a job by having its parts done.

    Args:
        function: Makes parts of a job.
        plain: Does one that has no reducer.
        reduction: What becomes of the parts.
    """

    def call(job: AssignedJob) -> object:
        reducer = job.assignment.reducer or reduction.reducer
        if not reducer:
            return plain(job)
        parts = Parts(partial(reduction.submit, reducer), reduction.max_in_flight)
        results = _results(function, PartitionJob(job, parts), parts)
        try:
            joined = _joined(job, results, reduction.aggregate)
            for _ in results:  # all parts are part of the job, even if nobody asks for the last of them
                pass
        except JobFailed as failure:
            raise JobFail(f"a part failed: {failure}") from failure
        finally:
            results.close()
            parts.abandon()
        return joined

    return call


def _results(function: Call, job: PartitionJob, parts: Parts) -> Generator[bytes, None, None]:
    """Take parts from the function as the results of others are asked for, and yield these."""
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
    return b"".join(results) if job.codec is RAW else [job.codec.decode(result) for result in results]
