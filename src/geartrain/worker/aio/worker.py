# SPDX-License-Identifier: MIT
"""The asyncio worker."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from secrets import token_hex
from types import TracebackType
from typing import Any, Concatenate, Self, Unpack, overload

from geartrain.client.aio import AsyncClient, AsyncSubmittedJob
from geartrain.names import Text
from geartrain.transport import Servers
from geartrain.typed import Signature
from geartrain.worker.aio.calls import AsyncCall, AsyncMiddleware, as_call
from geartrain.worker.aio.function import (
    AsyncDecorator,
    AsyncTypedFunction,
    Awaited,
    JobFunctionT,
    ParametersT,
    ReturnT,
)
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.aio.loop import WorkerLoop
from geartrain.worker.aio.partition import AsyncAggregate, Reduction, as_partition
from geartrain.worker.options import Options, Reason, WorkerOptions
from geartrain.worker.partition import MAX_IN_FLIGHT
from geartrain.worker.registry import Registry

__all__ = ["AsyncWorker"]


class AsyncWorker(Registry[AsyncCall, AsyncMiddleware]):
    """Does jobs for any number of servers, in tasks of an event loop.

    ::

        worker = AsyncWorker()

        @worker.function
        async def fetch(job):
            return await download(job.text)

        asyncio.run(worker.run())

    Functions are ``async def``; what an asynchronous generator yields is sent piece by piece. A plain function would
    hold up all other jobs and is refused.

    In a program that has other things to do, such as a web application, ``async with worker:`` works for the length of
    a block, and leaves as after `stop` at its end. Signals are then the program's own business.

    Args:
        servers: See `geartrain.transport.parse_servers`; all of them are talked to at once.
        options: As `geartrain.worker.WorkerOptions` has them. `concurrency` is 100 unless given.

    Raises:
        LocalProtocolError: The client's id cannot travel.
        ValueError: A server is no address, or an option is out of range.
    """

    _job_type = AsyncAssignedJob

    def __init__(self, servers: Servers = None, **options: Unpack[Options]) -> None:
        options.setdefault("concurrency", 100)
        super().__init__(servers, WorkerOptions(**options))
        self._background: asyncio.Task[Reason] | None = None
        self._client: AsyncClient | None = None
        self._keeper: AsyncGenerator[None, None] | None = None

    @overload
    def function(self, function: JobFunctionT, /) -> JobFunctionT: ...
    @overload
    def function(  # type: ignore[overload-cannot-match]  # it is, by functions with arguments behind the job
        self, function: Callable[Concatenate[AsyncAssignedJob, ParametersT], Awaited[ReturnT]], /
    ) -> AsyncTypedFunction[Concatenate[AsyncAssignedJob, ParametersT], ParametersT, ReturnT]: ...
    @overload
    def function(
        self, function: Callable[ParametersT, Awaited[ReturnT]], /
    ) -> AsyncTypedFunction[ParametersT, ParametersT, ReturnT]: ...
    @overload
    def function(self, name: str | None = None, /, *, timeout: float | None = None) -> AsyncDecorator: ...
    def function(
        self, function: Callable[..., object] | str | None = None, /, *, timeout: float | None = None
    ) -> Callable[..., object]:
        """Make a function a Gearman function, under its own name or the one given.

        With one parameter that is a job, or has no annotation, it is called with jobs, and stays what it was. With
        annotated parameters it is called with arguments, and gets `do`, `submit` and other ways of being called by
        jobs, as `geartrain.client.aio.AsyncRemoteFunction` has them; called like any function it runs here and now. A
        job may come before the arguments, to report progress.

        Args:
            timeout: Seconds after which a server gives a job to another worker.

        Raises:
            TypeError: Its parameters are neither a job nor annotated in a way that JSON has a form for.
        """
        return self._decorator(function, lambda name, call: self._offer(name, call, timeout))

    @overload
    def partition(self, function: JobFunctionT, /) -> JobFunctionT: ...
    @overload
    def partition(
        self,
        name: str | None = None,
        /,
        *,
        reducer: Text | None = None,
        aggregate: AsyncAggregate | None = None,
        timeout: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> Callable[[JobFunctionT], JobFunctionT]: ...
    def partition(
        self,
        function: Callable[..., object] | str | None = None,
        /,
        *,
        reducer: Text | None = None,
        aggregate: AsyncAggregate | None = None,
        timeout: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> Callable[..., object]:
        """Make a function a Gearman function that has its jobs done in parts; see `add_partition`."""

        def offer(name: Text, call: Callable[..., object]) -> Callable[..., object]:
            self.add_partition(
                name, call, reducer=reducer, aggregate=aggregate, timeout=timeout, max_in_flight=max_in_flight
            )
            return call

        return self._decorator(function, offer)

    def add_partition(
        self,
        name: Text,
        function: Callable[..., object],
        *,
        reducer: Text | None = None,
        aggregate: AsyncAggregate | None = None,
        timeout: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        """Offer a function that makes parts of its jobs, which other workers do.

        What the function yields, or sends by `data`, and what it returns if that is anything, are the parts. Each
        becomes a foreground job of the reducer, on this worker's own servers. What becomes of them is joined, and that
        is the result. A part that fails fails the job. A worker with one slot that also does the parts would wait for
        itself: give it more `concurrency`, or do the parts elsewhere.

        Args:
            name: What clients call it.
            function: Called with the job, whose own end it cannot be: it has no `complete` and `fail` to call.
            reducer: Who gets the parts of a job that does not name a reducer. Without one, such a job is an ordinary
                one, and its parts are sent to the client.
            aggregate: An ``async def`` called with an asynchronous iterator of the results, in the order of the parts,
                as the codec decodes them; it returns the result. A function that yields goes on as this asks for more,
                so that neither the parts nor the results need ever be in memory all at once. By default bytes are
                put one behind the other, and the values of a codec into a list.
            timeout: Seconds after which a server gives a job to another worker.
            max_in_flight: How many parts of a job are with the reducer at a time.

        Raises:
            LocalProtocolError: A name cannot travel, or the timeout is out of range.
            TypeError: The function is not called with a job, or not in the way of this worker.
        """
        reduction = Reduction(self._submit_part, self._reducer(function, reducer), aggregate, max_in_flight)
        self._add(name, as_partition(function, self._call(function, None), reduction), timeout)

    async def __aenter__(self) -> Self:
        self._background = asyncio.create_task(self._run(burst=False, idle_timeout=None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        background = self._background
        assert background is not None, "a block is left after it was entered"
        self._background = None
        if not background.done():
            self.stop()
        await background

    async def run(self, *, burst: bool = False, idle_timeout: float | None = None) -> Reason:
        """Do jobs until there is a reason to leave, and return it.

        In the main thread SIGINT and SIGTERM are reasons: the jobs in hand have `grace` seconds to end, and a second
        signal takes these away. What is not done then is cancelled; it goes back to its server when the connection
        closes, and to another worker. The same happens to everything in hand when this call is cancelled.

        Args:
            burst: Leave when no server has a job.
            idle_timeout: Leave after so many seconds without a job.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached. Otherwise they are waited for.
        """
        with self._signals_taken():
            return await self._run(burst=burst, idle_timeout=idle_timeout)

    async def _run(self, *, burst: bool, idle_timeout: float | None) -> Reason:
        with self._occupied(partial(self._new_loop, burst=burst, idle_timeout=idle_timeout)) as loop:
            return await loop.run()

    def _call(self, function: Callable[..., object], signature: Signature | None) -> AsyncCall:
        return as_call(function, signature)

    def _callable(
        self, function: Callable[..., Any], signature: Signature, wire_name: bytes
    ) -> AsyncTypedFunction[..., ..., object]:
        return AsyncTypedFunction(function, wire_name, signature, self._own_client)

    def _own_client(self) -> AsyncClient:
        """Return the client that its functions are called by, and its parts: one of the same servers."""
        if self._client is None:
            self._client = AsyncClient(**self._as_client())
            self._keeper = self._until_loop_ends(self._client)
            with suppress(StopIteration):  # which is how the first step of a coroutine ends that does not wait
                anext(self._keeper).__await__().send(None)
        return self._client

    async def _until_loop_ends(self, client: AsyncClient) -> AsyncGenerator[None, None]:
        """Close a client when its event loop is about to end, which is told to asynchronous generators alone."""
        try:
            yield
        finally:
            self._client = None
            await client.close()

    async def _submit_part(self, reducer: bytes, part: bytes) -> AsyncSubmittedJob:
        return await self._own_client().submit(reducer, part, unique=token_hex(16))

    def _new_loop(self, *, burst: bool, idle_timeout: float | None) -> WorkerLoop:
        return WorkerLoop(
            self._addresses,
            self._functions,
            tuple(self._middleware),
            self._options,
            burst=burst,
            idle_timeout=idle_timeout,
        )

    @contextmanager
    def _signals_taken(self) -> Iterator[None]:
        """Turn the signals that end a process into calls of `stop`, where Python allows it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            loop.add_signal_handler(number, self._take_signal)
        try:
            yield
        finally:
            for number, handler in previous.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
