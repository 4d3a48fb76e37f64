# SPDX-License-Identifier: MIT
"""Jobs whose parts other workers do: the parts go out to a reducer, and what becomes of them is joined here."""

import inspect
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeAlias

from geartrain.client.aio import AsyncSubmittedJob
from geartrain.codecs import RAW
from geartrain.errors import JobFail, JobFailed
from geartrain.records import Data
from geartrain.worker.aio.calls import AsyncCall
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.partition import ENDS_BY_ITSELF, is_part

__all__ = ["AsyncAggregate", "Reduction", "as_partition"]

# Joins the results of the parts, which come in the order of these.
AsyncAggregate: TypeAlias = Callable[[AsyncIterator[Any]], Awaitable[object]]


class Parts:
    """The parts of one job: so many at a time are with the reducer, and their results come in order.

    Args:
        submit: Has a part done.
        limit: How many are done at a time.
    """

    def __init__(self, submit: Callable[[bytes], Awaitable[AsyncSubmittedJob]], limit: int) -> None:
        self._submit = submit
        self._limit = limit
        self._running: deque[AsyncSubmittedJob] = deque()
        self._results: deque[bytes] = deque()

    async def add(self, part: bytes) -> None:
        """Have a part done; wait for the oldest one if there are enough."""
        self._running.append(await self._submit(part))
        if len(self._running) >= self._limit:
            self._results.append(await _whole(self._running[0]))
            self._running.popleft()

    async def finished(self) -> AsyncGenerator[bytes, None]:
        """Yield the results that are there."""
        while self._results:
            yield self._results.popleft()

    async def rest(self) -> AsyncGenerator[bytes, None]:
        """Yield the results of all parts, and wait for them."""
        async for result in self.finished():
            yield result
        while self._running:
            yield await _whole(self._running[0])
            self._running.popleft()

    def abandon(self) -> None:
        """Wait for none of them any longer."""
        for job in self._running:
            job.abandon()


async def _whole(job: AsyncSubmittedJob) -> bytes:
    """Return all that a reducer sent, as it may have sent it in pieces."""
    pieces = [event.data async for event in job if isinstance(event, Data)]
    return b"".join((*pieces, await job.result()))


class PartitionJob(AsyncAssignedJob):
    """What a partition is called with: what it sends becomes parts."""

    __slots__ = ("_parts",)

    def __init__(self, job: AsyncAssignedJob, parts: Parts) -> None:
        super().__init__(job.assignment, job.function, job.client_id, job.send, job.codec)
        self._parts = parts

    async def data(self, chunk: object) -> None:
        """Have a part done; wait as long as enough of them are under way."""
        await self._parts.add(self.encode(chunk))

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

    submit: Callable[[bytes, bytes], Awaitable[AsyncSubmittedJob]]
    reducer: bytes
    aggregate: AsyncAggregate | None
    max_in_flight: int

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise ValueError(f"max_in_flight is a number above 0, not {self.max_in_flight}")


def as_partition(function: Callable[..., Any], plain: AsyncCall, reduction: Reduction) -> AsyncCall:
    """Return what does a job by having its parts done.

    Args:
        function: Makes parts of a job.
        plain: Does one that has no reducer.
        reduction: What becomes of the parts.

    Raises:
        TypeError: The aggregate would hold up the event loop.
    """
    aggregate = reduction.aggregate
    if aggregate is not None and not inspect.iscoroutinefunction(aggregate):
        raise TypeError(f"{aggregate!r} is not an async def, which takes an asynchronous iterator of results")

    async def call(job: AsyncAssignedJob) -> object:
        reducer = job.assignment.reducer or reduction.reducer
        if not reducer:
            return await plain(job)
        parts = Parts(partial(reduction.submit, reducer), reduction.max_in_flight)
        try:
            async with aclosing(_results(function, PartitionJob(job, parts), parts)) as results:
                joined = await _joined(job, results, aggregate)
                async for _ in results:  # all parts are part of the job, even if nobody asks for the last of them
                    pass
        except JobFailed as failure:
            raise JobFail(f"a part failed: {failure}") from failure
        finally:
            parts.abandon()
        return joined

    return call


async def _results(function: Callable[..., Any], job: PartitionJob, parts: Parts) -> AsyncGenerator[bytes, None]:
    """Take parts from the function as the results of others are asked for, and yield these."""
    result = function(job)
    if inspect.isasyncgen(result):
        async with aclosing(result) as pieces:
            async for piece in pieces:
                await job.data(piece)
                async for finished in parts.finished():
                    yield finished
    else:
        result = await result
        if is_part(job, result):
            await job.data(result)
    async for finished in parts.rest():
        yield finished


async def _joined(job: AsyncAssignedJob, results: AsyncIterator[bytes], aggregate: AsyncAggregate | None) -> object:
    if aggregate is not None:
        return await aggregate(_decoded(job, results))
    joined = [result async for result in results]
    return b"".join(joined) if job.codec is RAW else [job.codec.decode(result) for result in joined]


async def _decoded(job: AsyncAssignedJob, results: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for result in results:
        yield job.codec.decode(result)
