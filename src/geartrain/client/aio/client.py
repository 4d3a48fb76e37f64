# SPDX-License-Identifier: MIT
"""The asyncio client. Its twin is `geartrain.client.sync.client`."""

import asyncio
import contextlib
import copy
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast, overload

from geartrain.client.aio.function import AsyncBinding, AsyncRemoteFunction
from geartrain.client.aio.job import AsyncSubmittedJob, BackgroundSubmission, Question
from geartrain.client.aio.pool import ConnectionPool
from geartrain.client.aio.source import feed
from geartrain.client.batch import BatchSubmission
from geartrain.client.cron import cron_of
from geartrain.client.deadline import Deadline
from geartrain.client.options import ClientBase
from geartrain.client.remote import ParametersT, Remote, ReturnT, signature_of
from geartrain.client.request import Delay, Moment, Submission, epoch_seconds, handle_bytes, submission, unique_bytes
from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.codec import Codec
from geartrain.cron import CronFields
from geartrain.errors import ConnectionLost
from geartrain.names import Text
from geartrain.records import NOTHING, Handle, JobRequest, JobStatus, Nothing, Priority, ResultT, ValueT

__all__ = ["AsyncClient"]

OtherValueT = TypeVar("OtherValueT")
OtherResultT = TypeVar("OtherResultT")

MAX_IN_FLIGHT = 100  # jobs of one `map`: enough to hide the way to the server, few enough for anyone's memory


class AsyncClient(ClientBase[ValueT, ResultT], Generic[ValueT, ResultT]):
    """Submits jobs, and waits for them where that is wanted, in an event loop.

    Tasks may share a client, within one loop. A task that is cancelled while it waits leaves the connections usable;
    the job that it waited for goes on, and what comes of it is dropped. `Client` is the same for threads.

    ::

        async with AsyncClient("localhost") as client:
            print((await client.do("reverse", "Hello World!")).decode())
    """

    def _set_up(self) -> None:
        self._origin: AsyncClient[Any, Any] | None = None  # whose connections it uses, if they are not its own
        self._its_hub: ConnectionPool | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        state = " (closed)" if (self._origin or self)._is_closed else ""
        return f"<AsyncClient {', '.join(map(str, self._options.addresses))}{state}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; whatever waits ends with `ConnectionLost`, as does every later call."""
        if self._origin is not None:
            await self._origin.close()
            return
        self._is_closed = True
        hub = self._its_hub
        if hub is not None and not hub.loop.is_closed():
            await hub.join(hub.close())

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
        retries: int = 0,
    ) -> ResultT:
        """Have a job done and return its result.

        Args:
            function: Who is to do it.
            workload: What it gets: text, which travels as UTF-8, or bytes, or what the client's codec takes.
            unique: Jobs of one function with the same unique are one job for as long as it is not done.
            priority: Its place among the jobs that wait.
            timeout: Seconds to wait; by default as long as it takes.
            retries: How often to start anew when the connection to the server is lost.

        Raises:
            JobFailed: The worker said so.
            JobException: The worker raised an exception.
            JobTimeout: The job took too long. It may still run.
            ServerError: The server refused it.
            ConnectionLost: The server went away with the job.
            NoServerAvailable: There is none to ask.
            CodecError: The codec cannot read the result.
        """
        deadline = Deadline(timeout, asyncio.get_running_loop().time)
        [job] = await self._submit(
            [JobRequest(function, workload, unique, priority, retries)], stream=False, until=deadline.at
        )
        try:
            return await job.result(deadline.remaining())
        finally:
            job.abandon()

    async def submit(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        retries: int = 0,
    ) -> AsyncSubmittedJob[ResultT]:
        """Submit a job and return at once; see `do` for the arguments. What goes wrong, its result will tell."""
        [job] = await self._submit([JobRequest(function, workload, unique, priority, retries)])
        return job

    async def submit_many(self, requests: Iterable[JobRequest]) -> list[AsyncSubmittedJob[ResultT]]:
        """Submit jobs with one write for all that go to the same server."""
        return await self._submit(requests)

    async def submit_background(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        at: Moment | None = None,
        delay: Delay | None = None,
        cron: str | None = None,
        timeout: float | None = None,
    ) -> Handle:
        """Leave a job with a server and return its handle once the server has it.

        Args:
            function: Who is to do it.
            workload: What it gets: text, which travels as UTF-8, or bytes, or what the client's codec takes.
            unique: As in `do`; by default one that nothing else has.
            priority: Its place among the jobs that wait; not for jobs with ``at``, ``delay`` or ``cron``.
            at: When to start it at the earliest, as a ``datetime`` with a time zone or in seconds since 1970.
            delay: The same from now on, in seconds or as a ``timedelta``.
            cron: When to start it again and again: five fields such as ``"*/5 * * * *"``, or ``"@daily"``, in the time
                zone of the server. Another submission of the same function with the same unique, by default the same
                workload, changes it; ``AdminClient`` lists such jobs, and cancels them by the handle.
            timeout: Seconds to wait for the handle; by default each server has `reply_timeout` to answer.

        Raises:
            ServerError: The server refused it, such as for a full queue.
            ReplyTimeout: There was no answer in time. The server may have the job all the same.
            NoServerAvailable: There is none to ask.
            ValueError: The job's time is no moment in time.
        """
        deadline = Deadline(timeout, asyncio.get_running_loop().time)
        hub = self._hub()
        wanted = JobRequest(function, workload, unique, priority)
        encoded = self._background(wanted, epoch_seconds(at, delay, time.time()), cron_of(cron, at, delay))
        job = BackgroundSubmission(hub, encoded, len(self._options.addresses))
        try:
            await hub.place([job], until=deadline.at)
            return await job.result(deadline.remaining())
        finally:
            job.abandon()

    async def submit_background_many(
        self, requests: Iterable[JobRequest], *, timeout: float | None = None
    ) -> list[Handle]:
        """Leave jobs with a server, with one write for all that go to the same one, and return their handles in order.

        Args:
            requests: The jobs; background jobs are not retried once a server has them, whatever they say.
            timeout: Seconds to wait for all the handles; by default each server has `reply_timeout` to answer.

        Raises:
            NotAllSubmitted: Some were not taken; it has what became of each.
        """
        deadline = Deadline(timeout, asyncio.get_running_loop().time)
        hub = self._hub()
        ended = asyncio.Event()
        batch = BatchSubmission(hub, map(self._background, requests), len(self._options.addresses), ended.set)
        try:
            await hub.place(batch.parts, until=deadline.at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline.remaining()):
                    await ended.wait()
        finally:
            batch.abandon()
        return batch.handles()

    def _background(self, wanted: JobRequest, epoch: int | None = None, cron: CronFields | None = None) -> Submission:
        options = self._options
        return submission(wanted, prefix=options.prefix, codec=options.codec, background=True, epoch=epoch, cron=cron)

    def map(
        self,
        function: Text,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        retries: int = 0,
    ) -> AsyncGenerator[ResultT, None]:
        """Yield the results of one job for each workload, in order.

        Workloads are taken as results are, so there may be no end to them. The first job that fails ends it all. Jobs
        that are under way when the caller stops are left to themselves, at once if it stops by
        ``contextlib.aclosing``.

        Args:
            function: Who is to do it.
            workloads: What each gets; to be iterated over with ``for`` or ``async for``.
            max_in_flight: How many jobs there are at a time, their unread results included.
            priority: Their place among the jobs that wait.
            timeout: Seconds to wait for each result once it is its turn.
            retries: As in `do`, for each.
        """

        def wanted(workload: ValueT) -> JobRequest:
            return JobRequest(function, workload, None, priority, retries)

        return self._map(workloads, wanted, max_in_flight, timeout)

    def map_reduce(
        self,
        mapper: Text,
        reducer: Text,
        inputs: Iterable[ValueT] | AsyncIterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        timeout: float | None = None,
        retries: int = 0,
    ) -> AsyncGenerator[ResultT, None]:
        """Yield the results of one reduce job for each input, in order.

        The mapper, a function of the kind that `Worker.partition` makes, turns an input into parts; each part becomes
        a job of the reducer, so that many workers share the input; and the mapper's worker joins what becomes of them.
        That join is the result here. Nothing joins the results of different inputs, which may be without end: that is
        for the caller. Otherwise this is `map`.

        Args:
            mapper: Who makes parts of each input, and joins what becomes of them.
            reducer: Who does the parts.
            inputs: What each mapper's job gets.
            max_in_flight: How many inputs are under way at a time, their unread results included.
            timeout: Seconds to wait for each result once it is its turn.
            retries: As in `do`, for each input.
        """

        def wanted(each: ValueT) -> JobRequest:
            return JobRequest(mapper, each, retries=retries, reducer=reducer)

        return self._map(inputs, wanted, max_in_flight, timeout)

    def _map(
        self,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        wanted: Callable[[ValueT], JobRequest],
        max_in_flight: int,
        timeout: float | None,
    ) -> AsyncGenerator[ResultT, None]:
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight is a number above 0, not {max_in_flight}")
        return self._in_order(workloads, wanted, max_in_flight, timeout)

    async def _in_order(
        self,
        workloads: Iterable[ValueT] | AsyncIterable[ValueT],
        wanted: Callable[[ValueT], JobRequest],
        max_in_flight: int,
        timeout: float | None,
    ) -> AsyncGenerator[ResultT, None]:
        jobs: asyncio.Queue[AsyncSubmittedJob[ResultT] | None] = asyncio.Queue()  # bounded by the room
        room = asyncio.Semaphore(max_in_flight)
        job: AsyncSubmittedJob[ResultT] | None = None

        async def submit(workload: ValueT) -> None:
            jobs.put_nowait(*await self._submit([wanted(workload)], stream=False))

        feeder = asyncio.create_task(feed(workloads, room, submit))
        feeder.add_done_callback(lambda _: jobs.put_nowait(None))
        try:
            while (job := await jobs.get()) is not None:
                yield await job.result(timeout)
                room.release()
            await feeder  # to raise what the source raised
        finally:
            feeder.cancel()
            while job is not None:
                job.abandon()
                job = None if jobs.empty() else jobs.get_nowait()

    async def _submit(
        self, requests: Iterable[JobRequest], *, stream: bool = True, until: float | None = None
    ) -> list[AsyncSubmittedJob[ResultT]]:
        hub = self._hub()
        options = self._options
        jobs = [
            AsyncSubmittedJob(
                hub,
                submission(each, prefix=options.prefix, codec=options.codec),
                len(options.addresses),
                options.codec,
                stream=stream,
            )
            for each in requests
        ]
        try:
            await hub.place(jobs, until=until)
        except BaseException:  # cancelled: nobody will ever ask for them
            for job in jobs:
                job.abandon()
            raise
        return jobs

    # Values

    def with_codec(self, codec: Codec[OtherValueT, OtherResultT]) -> "AsyncClient[OtherValueT, OtherResultT]":
        """Return a client with the same connections, for values that travel in another way."""
        twin: AsyncClient[Any, Any] = copy.copy(self)
        twin._options = replace(self._options, codec=cast(Codec[Any, Any], codec))
        twin._origin = self
        return twin

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
        """Have a function that workers know called by this client, with its own arguments.

        ::

            @client.function
            def resize(image_id: int, width: int = 200) -> str:
                raise NotImplementedError  # workers have the real one

            await resize.do(7, width=100)

        Args:
            function: Something with its signature, which is never called: a stub, or what `Worker.function` made where
                the worker's code can be imported. Or else the name, if it is not that of the stub.

        Raises:
            TypeError: An argument has no annotation, or one that JSON has no form for.
        """
        if isinstance(function, str):
            name = function
            return lambda stub: AsyncRemoteFunction(name, signature_of(stub, name), lambda: self)
        signature = signature_of(function)
        return AsyncRemoteFunction(signature.name, signature, lambda: self)

    # Questions

    async def status(self, handle: Handle | str | None = None, *, unique: Text | None = None) -> JobStatus:
        """Ask for a job, by its handle or by its unique.

        A `Handle` knows the server to ask. For a unique, or a handle that is mere text, all servers are asked until one
        knows the job; those that are down know nothing.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        if (handle is None) == (unique is None):
            raise ValueError("a status is asked for by either a handle or a unique")
        name = handle_bytes(str(handle)) if handle is not None else b""
        key = unique_bytes(unique) if unique is not None else b""

        def compose(session: Session[Ticket], question: Question) -> bytes:
            return session.ask_status(name, question) if name else session.ask_unique(key, question)

        status = JobStatus()
        async with aclosing(self._hub().ask(compose, handle.server if isinstance(handle, Handle) else "")) as answers:
            async for answer in answers:
                assert isinstance(answer, JobStatus), "the session matches answers to questions"
                status = answer
                if status.known:
                    break
        return status

    async def ping(self) -> float:
        """Return the seconds that an echo takes from the server that would get the next job.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        sent_at = 0.0

        def compose(session: Session[Ticket], question: Question) -> bytes:
            nonlocal sent_at
            sent_at = time.perf_counter()  # after connecting, which is no part of the way
            return session.echo(b"ping", question)

        async with aclosing(self._hub().ask(compose)) as answers:
            await anext(answers)
        return time.perf_counter() - sent_at

    # Loops

    def _hub(self) -> ConnectionPool:
        """Return the connections of the loop that runs."""
        if self._origin is not None:
            return self._origin._hub()
        if self._is_closed:
            raise ConnectionLost("the client is closed")
        hub = self._its_hub
        if hub is None or hub.loop.is_closed():
            hub = self._its_hub = ConnectionPool(self._options)
            weakref.finalize(self, _close_hub, hub).atexit = False  # also for a client that nobody closes
        if hub.loop is not asyncio.get_running_loop():
            raise RuntimeError(f"{self!r} belongs to another event loop; each needs a client of its own")
        return hub


def _close_hub(hub: ConnectionPool) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and the connections with it
        hub.loop.call_soon_threadsafe(hub.close)
