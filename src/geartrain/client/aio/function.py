# SPDX-License-Identifier: MIT
"""Functions with plain arguments, called by jobs and awaited. Its twin is `geartrain.client.sync.function`."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, Protocol, overload

from geartrain.client.aio.job import AsyncSubmittedJob
from geartrain.client.remote import Arguments, ParametersT, Remote, ReturnT
from geartrain.names import Text
from geartrain.records import Handle, JobRequest
from geartrain.typed import Signature

if TYPE_CHECKING:
    from geartrain.client.aio.client import AsyncClient

__all__ = ["AsyncBinding", "AsyncRemoteFunction"]


class AsyncRemoteFunction(Remote[ParametersT, ReturnT], Generic[ParametersT, ReturnT]):
    """A function that workers have, to be called with its own arguments.

    ::

        @client.function
        def resize(image_id: int, width: int = 200) -> str:
            raise NotImplementedError  # workers have the real one

        path = await resize.do(7, width=100)
        job = await resize.with_options(priority=Priority.HIGH).submit(7)

    Arguments are held to the annotations before anything is sent. The result is decoded, and held to its own; so are
    the parts that a worker sends ahead of it, which are of the same type.

    Attributes:
        signature: The arguments and the result.
    """

    def __init__(self, name: Text, signature: Signature, client: Callable[[], "AsyncClient[Any, Any]"]) -> None:
        super().__init__(name, signature)
        self._client = client

    async def do(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ReturnT:
        """Have it done and return what it returns; see `AsyncClient.do` for what may go wrong.

        Raises:
            ArgumentError: It does not take these arguments.
        """
        return await self._caller().do(self._name, self.bind(*args, **kwargs), **self._options_for("do"))

    async def submit(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> AsyncSubmittedJob[ReturnT]:
        """Submit a job and return at once; see `do` for the arguments."""
        return await self._caller().submit(self._name, self.bind(*args, **kwargs), **self._options_for("submit"))

    async def submit_many(self, calls: Iterable[Arguments[ParametersT]]) -> list[AsyncSubmittedJob[ReturnT]]:
        """Submit jobs for calls that `bind` returned, with one write for all that go to the same server."""
        options = self._options_for("submit_many")
        return await self._caller().submit_many([JobRequest(self._name, call, **options) for call in calls])

    async def submit_background(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Handle:
        """Leave a job with a server and return its handle once the server has it; see `do` for the arguments."""
        options = self._options_for("submit_background")
        return await self._caller().submit_background(self._name, self.bind(*args, **kwargs), **options)

    def map(
        self, calls: Iterable[Arguments[ParametersT]] | AsyncIterable[Arguments[ParametersT]]
    ) -> AsyncGenerator[ReturnT, None]:
        """Yield the results of the calls that `bind` returned, in order, however many there are; see `AsyncClient.map`.

        ::

            resize.map(resize.bind(number, width=100) for number in range(1000))
        """
        return self._mapped(calls, self._options_for("map"))

    async def _mapped(
        self, calls: Iterable[Arguments[ParametersT]] | AsyncIterable[Arguments[ParametersT]], options: dict[str, Any]
    ) -> AsyncGenerator[ReturnT, None]:
        # In the event loop, which a worker's client belongs to.
        results = self._caller().map(self._name, calls, **options)
        async with aclosing(results):
            async for result in results:
                yield result

    def _caller(self) -> "AsyncClient[Arguments[ParametersT], ReturnT]":
        return self._client().with_codec(self._codec())


class AsyncBinding(Protocol):
    """What ``@client.function("name")`` is: it takes all that ``@client.function`` takes."""

    @overload
    def __call__(self, function: Remote[ParametersT, ReturnT], /) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(
        self, function: Callable[ParametersT, Coroutine[Any, Any, ReturnT]], /
    ) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def __call__(self, function: Callable[ParametersT, ReturnT], /) -> AsyncRemoteFunction[ParametersT, ReturnT]: ...
