# SPDX-License-Identifier: MIT
"""The asyncio client. Its twin is `geartrain.client.sync.client`."""

import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Never, Self, TypeVar, cast, overload

from geartrain.client.aio.function import AsyncBinding, AsyncRemoteFunction
from geartrain.client.aio.job import AsyncSubmittedJob, BackgroundSubmission
from geartrain.client.aio.pool import ConnectionPool
from geartrain.client.aio.source import feed
from geartrain.client.anyclient import AnyClient, admins_of
from geartrain.client.batch import BatchSubmission
from geartrain.client.deadline import Deadline, check_timeout
from geartrain.client.inquiry import Ping, StatusInquiry
from geartrain.client.remote import ParametersT, Remote, ReturnT
from geartrain.client.request import (
    MAX_IN_FLIGHT,
    Delay,
    Moment,
    Submission,
    check_in_flight,
    check_renamed,
    map_requests,
    reduce_requests,
)
from geartrain.codec import Codec
from geartrain.errors import ConnectionLost, JobError, JobTimeout, ServerError
from geartrain.names import Text
from geartrain.records import NOTHING, Handle, JobRequest, JobStatus, Nothing, Priority, ResultT, ValueT
from geartrain.wording import counted

if TYPE_CHECKING:
    from geartrain.admin.aio import AsyncAdminClient

__all__ = ["AsyncClient"]

OtherValueT = TypeVar("OtherValueT")
OtherResultT = TypeVar("OtherResultT")


class AsyncClient(AnyClient[ValueT, ResultT], Generic[ValueT, ResultT]):
    """Submits jobs, and waits for their results on request, in an event loop.

    Tasks may share a client, within one loop. A task that is cancelled while it waits leaves the connections usable;
    the job that it waited for goes on, and its result is dropped. `Client` is the same for threads.

    ::

        async with AsyncClient("localhost") as client:
            print((await client.do("reverse", "Hello World!")).decode())
    """

    def _set_up(self) -> None:
        self._own_pool: ConnectionPool | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        origin = self._origin or self
        return self._show(origin._own_pool.states() if origin._own_pool else {}, closed=origin._is_closed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; every wait ends with `ConnectionLost`, and so does every later call."""
        if self._origin is not None:
            await self._origin.close()
            return
        self._is_closed = True
        pool = self._own_pool
        if pool is not None and not pool.loop.is_closed():
            await pool.join(pool.close())

    aclose = close

    # Jobs

    async def do(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        resubmits: int = 0,
        **renamed: Never,
    ) -> ResultT:
        """Do a job and return its result.

        See `Client.do` for the arguments and the errors.
        """
        check_renamed("do", renamed)
        deadline = Deadline(check_timeout(timeout), asyncio.get_running_loop().time)

        async def do(wanted: JobRequest) -> ResultT:
            pool = self._pool()
            [job] = await self._placed(pool, [self._job(pool, wanted, stream=False)], until=deadline.at)
            try:
                return await job.result(deadline.remaining())
            except JobTimeout:
                raise job.late(timeout) from None
            finally:
                job.abandon()

        return await self._through(do)(JobRequest(function, workload, unique, priority, resubmits))

    async def submit(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        resubmits: int = 0,
        **renamed: Never,
    ) -> AsyncSubmittedJob[ResultT]:
        """Submit a foreground job, which ends with this program, and return at once; its result raises the errors.

        See `Client.submit`.
        """
        check_renamed("submit", renamed)
        return await self._submit(JobRequest(function, workload, unique, priority, resubmits))

    async def submit_many(self, requests: Iterable[JobRequest]) -> list[AsyncSubmittedJob[ResultT]]:
        """Submit foreground jobs, with one write for each server."""
        pool = self._pool()

        async def make(wanted: JobRequest) -> AsyncSubmittedJob[ResultT]:
            return self._job(pool, wanted)

        layered = self._through(make)
        return await self._placed(pool, [await layered(each) for each in requests])

    async def enqueue(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        at: Moment | None = None,
        delay: Delay | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        timeout: float | None = None,
    ) -> Handle:
        """Submit a background job, which needs no client, and return its handle once a server has accepted it.

        See `Client.enqueue` for the arguments and the errors.
        """
        deadline = Deadline(check_timeout(timeout), asyncio.get_running_loop().time)

        async def enqueue(wanted: JobRequest) -> Handle:
            pool = self._pool()
            submission = self._background(wanted, at, delay, cron, timezone)
            job = BackgroundSubmission(pool, submission, len(self._options.addresses))
            try:
                await pool.place([job], until=deadline.at)
                return await job.result(deadline.remaining())
            finally:
                job.abandon()

        return await self._through(enqueue)(JobRequest(function, workload, unique, priority))

    submit_background = enqueue

    async def submit_background_many(
        self, requests: Iterable[JobRequest], *, timeout: float | None = None
    ) -> list[Handle]:
        """Submit background jobs, with one write for each server, and return their handles in order.

        See `Client.submit_background_many` for the arguments and the errors.
        """
        deadline = Deadline(check_timeout(timeout), asyncio.get_running_loop().time)
        pool = self._pool()
        ended = asyncio.Event()
        submissions: list[Submission] = []

        async def take(wanted: JobRequest) -> None:
            submissions.append(self._background(wanted))

        layered = self._through(take)
        for each in requests:
            await layered(each)
        batch = BatchSubmission(pool, submissions, len(self._options.addresses), ended.set)
        try:
            await pool.place(batch.tickets, until=deadline.at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline.remaining()):
                    await ended.wait()
        finally:
            batch.abandon()
        return batch.handles()

    def map(
        self,
        function: Text,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        resubmits: int = 0,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[ResultT, None]:
        """Yield the results of one job for each workload, in order.

        See `Client.map`. A caller that stops early abandons the jobs at once if it uses ``contextlib.aclosing``.
        """
        check_in_flight(max_in_flight)
        check_timeout(timeout)
        outcome = _outcome if return_exceptions else _result
        return self._in_order(workloads, map_requests(function, priority, resubmits), max_in_flight, timeout, outcome)

    def map_unordered(
        self,
        function: Text,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        resubmits: int = 0,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[tuple[ValueT, ResultT], None]:
        """Yield each workload with the result of its job, in the order in which the jobs end.

        See `Client.map_unordered`. A caller that stops early uses ``contextlib.aclosing``, as with `map`.
        """
        check_in_flight(max_in_flight)
        check_timeout(timeout)
        outcome = _outcome if return_exceptions else _result
        return self._unordered(workloads, map_requests(function, priority, resubmits), max_in_flight, timeout, outcome)

    def map_reduce(
        self,
        mapper: Text,
        reducer: Text,
        inputs: Iterable[ValueT] | AsyncIterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        timeout: float | None = None,
        resubmits: int = 0,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[ResultT, None]:
        """Yield the results of one reduce job for each input, in order.

        See `Client.map_reduce`.
        """
        check_in_flight(max_in_flight)
        check_timeout(timeout)
        outcome = _outcome if return_exceptions else _result
        return self._in_order(inputs, reduce_requests(mapper, reducer, resubmits), max_in_flight, timeout, outcome)

    async def _in_order(
        self,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        request_for: Callable[[ValueT], JobRequest],
        max_in_flight: int,
        timeout: float | None,
        outcome: Callable[[AsyncSubmittedJob[ResultT], float | None], Coroutine[Any, Any, ResultT]],
    ) -> AsyncGenerator[ResultT, None]:
        jobs: asyncio.Queue[AsyncSubmittedJob[ResultT] | None] = asyncio.Queue()  # bounded by the semaphore
        room = asyncio.Semaphore(max_in_flight)
        job: AsyncSubmittedJob[ResultT] | None = None

        async def submit(workload: ValueT) -> None:
            jobs.put_nowait(await self._submit(request_for(workload), stream=False))

        feeder = asyncio.create_task(feed(workloads, room, submit))
        feeder.add_done_callback(lambda _: jobs.put_nowait(None))
        try:
            while (job := await jobs.get()) is not None:
                yield await outcome(job, timeout)
                room.release()
            await feeder  # to raise the exceptions of the source
        finally:
            feeder.cancel()
            while job is not None:
                job.abandon()
                job = None if jobs.empty() else jobs.get_nowait()

    async def _unordered(
        self,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        request_for: Callable[[ValueT], JobRequest],
        max_in_flight: int,
        timeout: float | None,
        outcome: Callable[[AsyncSubmittedJob[ResultT], float | None], Coroutine[Any, Any, ResultT]],
    ) -> AsyncGenerator[tuple[ValueT, ResultT], None]:
        ended: asyncio.Queue[AsyncSubmittedJob[ResultT] | None] = asyncio.Queue()  # bounded by the semaphore
        room = asyncio.Semaphore(max_in_flight)
        inputs: dict[AsyncSubmittedJob[ResultT], ValueT] = {}

        async def submit(workload: ValueT) -> None:
            job = await self._submit(request_for(workload), stream=False)
            inputs[job] = workload
            job.add_done_callback(ended.put_nowait)

        feeder = asyncio.create_task(feed(workloads, room, submit))
        feeder.add_done_callback(lambda _: ended.put_nowait(None))  # it may be the last event
        try:
            while inputs or not feeder.done():
                try:
                    async with asyncio.timeout(timeout):
                        job = await ended.get()
                except TimeoutError:
                    raise JobTimeout(f"{counted(len(inputs), 'job')} had not ended in time") from None
                if job is not None:
                    yield inputs.pop(job), await outcome(job, None)
                    room.release()
            await feeder  # to raise the exceptions of the source
        finally:
            feeder.cancel()
            for job in inputs:
                job.abandon()

    async def _submit(self, wanted: JobRequest, *, stream: bool = True) -> AsyncSubmittedJob[ResultT]:
        async def submit(wanted: JobRequest) -> AsyncSubmittedJob[ResultT]:
            pool = self._pool()
            [job] = await self._placed(pool, [self._job(pool, wanted, stream=stream)])
            return job

        return await self._through(submit)(wanted)

    def _job(self, pool: ConnectionPool, wanted: JobRequest, *, stream: bool = True) -> AsyncSubmittedJob[ResultT]:
        return AsyncSubmittedJob(pool, self._foreground(wanted), self._options, stream=stream)

    async def _placed(
        self, pool: ConnectionPool, jobs: list[AsyncSubmittedJob[ResultT]], *, until: float | None = None
    ) -> list[AsyncSubmittedJob[ResultT]]:
        try:
            await pool.place(jobs, until=until)
        except BaseException:  # cancelled: the caller does not get the jobs
            for job in jobs:
                job.abandon()
            raise
        return jobs

    # Values

    def with_codec(self, codec: Codec[OtherValueT, OtherResultT]) -> "AsyncClient[OtherValueT, OtherResultT]":
        """Return a client with the same connections, and another codec for its values."""
        return cast("AsyncClient[OtherValueT, OtherResultT]", self._with_codec(codec))

    @overload
    def function(self, function: Remote[ParametersT, ReturnT], /) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def function(
        self, function: Callable[ParametersT, Coroutine[Any, Any, ReturnT]], /
    ) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def function(self, function: Callable[ParametersT, ReturnT], /) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def function(self, name: str, /) -> AsyncBinding: ...
    def function(
        self, function: Callable[..., Any] | Remote[..., Any] | str, /
    ) -> AsyncRemoteFunction[..., Any] | AsyncBinding:
        """Return a function of workers that this client calls with the function's own arguments; a decorator.

        See `Client.function`.
        """
        bound: AsyncRemoteFunction[..., Any] | AsyncBinding = self._bind(function, AsyncRemoteFunction)
        return bound

    # Inquiries

    async def status(self, handle: Handle | str | None = None, *, unique: Text | None = None) -> JobStatus:
        """Return the status of a job, given by its handle or by its unique.

        See `Client.status`.
        """
        inquiry = StatusInquiry(handle, unique)
        status = JobStatus()
        async with aclosing(self._pool().ask(inquiry)) as answers:
            async for answer in answers:
                status = inquiry.read(answer)
                if status.known:
                    break
        return status

    async def cancel(self, handle: Handle | str) -> None:
        """Cancel a job; its clients get WORK_FAIL.

        See `Client.cancel`.
        """
        servers = admins_of(handle, self._options)
        for number, server in enumerate(servers, 1):
            try:
                async with self.admin(server) as admin:
                    await admin.cancel(handle)
                return
            except ServerError:
                if number == len(servers):
                    raise

    def admin(self, server: str | None = None) -> "AsyncAdminClient":
        """Return an administrator of a server, with this client's TLS, token and timeouts; to be closed.

        See `Client.admin`.
        """
        from geartrain.admin.aio import AsyncAdminClient  # here alone, as few clients need it

        return AsyncAdminClient(server or str(self._options.addresses[0]), **self._options.for_admin())

    async def ping(self) -> float:
        """Send an echo to the server that would get the next job, and return its round-trip time in seconds.

        See `Client.ping`.
        """
        inquiry = Ping(time.perf_counter)
        async with aclosing(self._pool().ask(inquiry)) as answers:
            await anext(answers)
        return inquiry.elapsed()

    # Event loops

    def _pool(self) -> ConnectionPool:
        """Return the connections of the running event loop."""
        if self._origin is not None:
            return self._origin._pool()
        if self._is_closed:
            raise ConnectionLost("the client is closed")
        pool = self._own_pool
        if pool is None or pool.loop.is_closed():
            pool = self._own_pool = ConnectionPool(self._options)
            weakref.finalize(self, _close_pool, pool).atexit = False  # also for a client that is never closed
        if pool.loop is not asyncio.get_running_loop():
            raise RuntimeError(f"{self!r} belongs to another event loop; each needs a client of its own")
        return pool


async def _result(job: AsyncSubmittedJob[ResultT], timeout: float | None) -> ResultT:
    return await job.result(timeout)


async def _outcome(job: AsyncSubmittedJob[ResultT], timeout: float | None) -> Any:
    try:
        return await job.result(timeout)
    except (JobError, ConnectionLost) as error:
        job.abandon()
        return error


def _close_pool(pool: ConnectionPool) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and the connections with it
        pool.loop.call_soon_threadsafe(pool.close)
