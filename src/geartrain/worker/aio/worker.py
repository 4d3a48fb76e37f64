# SPDX-License-Identifier: MIT
"""The asyncio worker. Its twin is `geartrain.worker.sync.worker`."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex
from types import TracebackType
from typing import Any, Concatenate, Self, Unpack, overload

from geartrain.client.aio import AsyncClient, AsyncSubmittedJob
from geartrain.names import Text
from geartrain.transport import Servers
from geartrain.typed import Signature
from geartrain.worker.aio.calls import AsyncCall, AsyncMiddleware, as_call, retrying
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
from geartrain.worker.aio.partition import AsyncAggregate, as_partition
from geartrain.worker.functions import Retries
from geartrain.worker.options import Options, Reason, WorkerOptions
from geartrain.worker.partition import MAX_IN_FLIGHT, Reduction
from geartrain.worker.registry import Registry

__all__ = ["AsyncWorker"]


class AsyncWorker(Registry[AsyncCall, AsyncMiddleware]):
    """A worker for any number of servers that runs its jobs in tasks of an event loop.

    ::

        worker = AsyncWorker()

        @worker.function
        async def fetch(job):
            return await download(job.text)

        asyncio.run(worker.run())

    Functions are ``async def``; the items of an asynchronous generator are sent piece by piece. A plain function would
    block all other jobs and is rejected.

    In a program with other tasks, such as a web application, ``async with worker:`` works for the length of a block and
    leaves at its end as after `stop`. The program handles signals itself then.

    Args:
        servers: See `geartrain.transport.parse_servers`; the worker takes jobs from all of them at once.
        options: See `geartrain.worker.WorkerOptions`. `concurrency` is 100 by default.

    Raises:
        LocalProtocolError: The client's id is not allowed by the protocol.
        ValueError: A server is not an address, or an option is out of range.
    """

    _job_type = AsyncAssignedJob

    def __init__(self, servers: Servers = None, **options: Unpack[Options]) -> None:
        options.setdefault("concurrency", 100)
        super().__init__(servers, WorkerOptions(**options))
        self._client: AsyncClient | None = None  # the worker's own client, once it is needed
        self._used: AsyncClient[Any, Any] | None = None  # in its place
        self._client_keeper: AsyncGenerator[None, None] | None = None
        self._background: asyncio.Task[Reason] | None = None  # the run of ``async with``

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
    def function(
        self,
        name: str | None = None,
        /,
        *,
        timeout: float | None = None,
        retry_on: tuple[type[BaseException], ...] = (),
        tries: int = 1,
    ) -> AsyncDecorator: ...
    def function(
        self,
        function: Callable[..., object] | str | None = None,
        /,
        *,
        timeout: float | None = None,
        retry_on: tuple[type[BaseException], ...] = (),
        tries: int = 1,
    ) -> Callable[..., object]:
        """Register a function, under its own name or the one given; a decorator.

        See `Worker.function`; the methods are those of `geartrain.client.aio.AsyncRemoteFunction`.
        """
        retries = Retries(retry_on, tries)
        return self._decorator(function, lambda name, call: self._offer(name, call, timeout, retries))

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
        """Register a function that splits its jobs into parts; a decorator. See `add_partition`."""

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
        """Register a function that splits its jobs into parts, which other workers do.

        See `Worker.add_partition`.
        """
        reduction = Reduction(self._submit_part, self._reducer(function, reducer), aggregate, max_in_flight)
        self._add(name, as_partition(function, self._call(function, None), reduction), timeout)

    @contextmanager
    def using(self, client: AsyncClient[Any, Any]) -> Iterator[None]:
        """Submit jobs of typed functions, and the parts of partitions, by another client for the length of a block.

        See `Worker.using`.
        """
        before = self._used
        self._used = client
        try:
            yield
        finally:
            self._used = before

    async def run(self, *, burst: bool = False, idle_timeout: float | None = None) -> Reason:
        """Do jobs until there is a reason to leave, and return it.

        See `Worker.run`. Jobs that have not ended in time are cancelled, as all jobs are when this call is cancelled.
        """
        self._check_functions()
        with self._handling_signals():
            return await self._run(burst=burst, idle_timeout=idle_timeout)

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

    async def _run(self, *, burst: bool, idle_timeout: float | None) -> Reason:
        loop = self._begin(WorkerLoop, burst=burst, idle_timeout=idle_timeout)
        try:
            self._open_log()
            return await loop.run()
        finally:
            self._end(loop)
            self._close_log()

    def _call(self, function: Callable[..., object], signature: Signature | None) -> AsyncCall:
        return as_call(function, signature)

    def _retrying(self, call: AsyncCall, retries: Retries) -> AsyncCall:
        return retrying(call, retries)

    def _callable(
        self, function: Callable[..., Any], signature: Signature, wire_name: bytes
    ) -> AsyncTypedFunction[..., ..., object]:
        return AsyncTypedFunction(function, wire_name, signature, self._own_client)

    def _own_client(self) -> AsyncClient:
        """Return the client that submits jobs for typed functions and parts, by default one of the same servers."""
        if self._used is not None:
            return self._used
        if self._client is None:
            self._client = AsyncClient(**self._client_options())
            self._client_keeper = self._until_loop_ends(self._client)
            with suppress(StopIteration):  # the end of the first step of a coroutine that does not wait
                anext(self._client_keeper).__await__().send(None)
        return self._client

    async def _until_loop_ends(self, client: AsyncClient) -> AsyncGenerator[None, None]:
        """Close a client when its event loop is about to end: a loop closes its asynchronous generators then."""
        try:
            yield
        finally:
            if self._client is client:
                self._client = None
            await client.close()

    def _drop_client(self) -> None:
        self._client = None  # its event loop closes it at its end

    async def _submit_part(self, reducer: bytes, part: bytes) -> AsyncSubmittedJob:
        return await self._own_client().submit(reducer, part, unique=token_hex(16))

    @contextmanager
    def _handling_signals(self) -> Iterator[None]:
        """Call `stop` on SIGINT and SIGTERM, in the main thread, for the length of a block."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            _handle_signal(loop, number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in previous.items():
                with suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, handler)


def _handle_signal(loop: asyncio.AbstractEventLoop, number: int, handle: Callable[[], object]) -> None:
    """Have the loop call a function at a signal."""
    try:
        loop.add_signal_handler(number, handle)
    except NotImplementedError:  # on Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(handle))
