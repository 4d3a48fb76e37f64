# SPDX-License-Identifier: MIT
"""Typed functions of an asyncio client. Its twin is `geartrain.client.sync.function`."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar, overload

from geartrain.client.aio.job import AsyncSubmittedJob
from geartrain.client.remote import Arguments, ParametersT, Remote, ReturnT
from geartrain.records import Handle, JobRequest

__all__ = ["AsyncBinding", "AsyncRemoteFunction"]

ItemT = TypeVar("ItemT")


class AsyncRemoteFunction(Remote[ParametersT, ReturnT], Generic[ParametersT, ReturnT]):
    """A function of workers that is called with its own arguments.

    See `RemoteFunction`; its methods are awaited::

        path = await resize.do(7, width=100)
        job = await resize.with_options(priority=Priority.HIGH).submit(7)

    Attributes:
        signature: The arguments and the result.
    """

    async def do(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ReturnT:
        """Do a job and return its result; see `Client.do` for the errors.

        Raises:
            ArgumentError: The function does not take these arguments.
        """
        workload = self.bind(*args, **kwargs)
        result: ReturnT = await self._caller().do(self._name, workload, **self._options_for("do"))
        return result

    async def submit(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> AsyncSubmittedJob[ReturnT]:
        """Submit a job and return at once; see `do` for the arguments."""
        workload = self.bind(*args, **kwargs)
        options = self._options_for("submit")
        job: AsyncSubmittedJob[ReturnT] = await self._caller().submit(self._name, workload, **options)
        return job

    async def submit_many(self, calls: Iterable[Arguments[ParametersT]]) -> list[AsyncSubmittedJob[ReturnT]]:
        """Submit jobs for calls that `bind` returned, with one write for each server."""
        options = self._options_for("submit_many")
        requests = [JobRequest(self._name, call, **options) for call in calls]
        jobs: list[AsyncSubmittedJob[ReturnT]] = await self._caller().submit_many(requests)
        return jobs

    async def enqueue(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Handle:
        """Submit a background job, and return its handle once a server has it; see `do` for the arguments."""
        workload = self.bind(*args, **kwargs)
        options = self._options_for("enqueue")
        handle: Handle = await self._caller().enqueue(self._name, workload, **options)
        return handle

    submit_background = enqueue

    def map(
        self, calls: Iterable[Arguments[ParametersT]] | AsyncIterable[Arguments[ParametersT]]
    ) -> AsyncGenerator[ReturnT, None]:
        """Yield the results of calls that `bind` returned, in order, of any number; see `Client.map`.

        ::

            resize.map(resize.bind(number, width=100) for number in range(1000))
        """
        options = self._options_for("map")
        return _in_loop(lambda: self._caller().map(self._name, calls, **options))

    def map_unordered(
        self, calls: Iterable[Arguments[ParametersT]] | AsyncIterable[Arguments[ParametersT]]
    ) -> AsyncGenerator[tuple[Arguments[ParametersT], ReturnT], None]:
        """Yield calls that `bind` returned, each with its result, as they end; see `Client.map_unordered`."""
        options = self._options_for("map_unordered")
        return _in_loop(lambda: self._caller().map_unordered(self._name, calls, **options))


async def _in_loop(make: Callable[[], AsyncGenerator[ItemT, None]]) -> AsyncGenerator[ItemT, None]:
    """Make a generator in the event loop, which a worker's client belongs to, and yield its items."""
    items = make()
    async with aclosing(items):
        async for item in items:
            yield item


class AsyncBinding(Protocol):
    """The result of ``@client.function("name")``, which takes the same functions as ``@client.function``."""

    @overload
    def __call__(self, function: Remote[ParametersT, ReturnT], /) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(
        self, function: Callable[ParametersT, Coroutine[Any, Any, ReturnT]], /
    ) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(self, function: Callable[ParametersT, ReturnT], /) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
