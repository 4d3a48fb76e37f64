# SPDX-License-Identifier: MIT
"""Partition functions of an asyncio worker. Its twin is `geartrain.worker.sync.partition`."""

import inspect
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias

from geartrain.client.aio import AsyncSubmittedJob
from geartrain.errors import Fail, JobFailed
from geartrain.records import Data
from geartrain.worker.aio.calls import AsyncCall
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.partition import EndsWithItsParts, Reduction, is_part, join_results

__all__ = ["AsyncAggregate", "AsyncSubmitPart", "as_partition"]

# Submits a part to a reducer, given by its name on the wire.
AsyncSubmitPart: TypeAlias = Callable[[bytes, bytes], Awaitable[AsyncSubmittedJob]]

# Joins the results of the parts, which come in the order of the parts.
AsyncAggregate: TypeAlias = Callable[[AsyncIterator[Any]], Awaitable[object]]


class Parts:
    """The parts of one job: a limited number at a time, with results in order.

    Args:
        submit: Submits a part.
        limit: The number of parts that are with the reducer at a time.
    """

    def __init__(self, submit: Callable[[bytes], Awaitable[AsyncSubmittedJob]], limit: int) -> None:
        self._submit = submit
        self._limit = limit
        self._running: deque[AsyncSubmittedJob] = deque()
        self._results: deque[bytes] = deque()

    async def add(self, part: bytes) -> None:
        """Submit a part; at the limit, wait for the oldest one."""
        self._running.append(await self._submit(part))
        if len(self._running) >= self._limit:
            self._results.append(await _whole(self._running[0]))
            self._running.popleft()

    async def finished(self) -> AsyncGenerator[bytes, None]:
        """Yield the results that have arrived."""
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
        """Drop the results that are still to come."""
        for job in self._running:
            job.abandon()


async def _whole(job: AsyncSubmittedJob) -> bytes:
    """Return the whole result of a reducer, which may have sent it in pieces."""
    pieces = [event.data async for event in job if isinstance(event, Data)]
    return b"".join((*pieces, await job.result()))


class PartitionJob(EndsWithItsParts, AsyncAssignedJob):
    """The job that a partition function is called with: the data that it sends become parts."""

    __slots__ = ("_parts",)

    def __init__(self, job: AsyncAssignedJob, parts: Parts) -> None:
        super().__init__(job.assignment, job._function, job._options, job.send)
        self._parts = parts

    async def data(self, chunk: object) -> None:
        """Submit a part; wait while as many as allowed are with the reducer."""
        await self._parts.add(self.encode(chunk))


def as_partition(
    function: Callable[..., Any], plain: AsyncCall, reduction: Reduction[AsyncSubmitPart, AsyncAggregate]
) -> AsyncCall:
    """Return a callable that does a job by splitting it into parts.

    See `geartrain.worker.sync.partition.as_partition`.

    Raises:
        TypeError: The aggregate would block the event loop.
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
                joined = await _joined(job, results, reduction.aggregate)
                async for _ in results:  # the job includes all parts, even if the aggregate does not read the last ones
                    pass
        except JobFailed as failure:
            raise Fail(f"a part failed: {failure}") from failure
        finally:
            parts.abandon()
        return joined

    return call


async def _results(function: Callable[..., Any], job: PartitionJob, parts: Parts) -> AsyncGenerator[bytes, None]:
    """Yield the results, and take parts from the function as results are read."""
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
    return join_results(job, [result async for result in results])


async def _decoded(job: AsyncAssignedJob, results: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for result in results:
        yield job.codec.decode(result)
