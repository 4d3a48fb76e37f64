# SPDX-License-Identifier: MIT
"""Typed functions of an asyncio worker. Its twin is `geartrain.worker.sync.function`."""

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from geartrain.client.aio import AsyncClient, AsyncRemoteFunction
from geartrain.names import Text
from geartrain.typed import Signature
from geartrain.worker.aio.job import AsyncAssignedJob

__all__ = ["AsyncDecorator", "AsyncTypedFunction", "Awaited", "JobFunctionT", "LocalT", "ParametersT", "ReturnT"]

JobFunctionT = TypeVar("JobFunctionT", bound=Callable[[AsyncAssignedJob], object])
LocalT = ParamSpec("LocalT")  # of a direct call: perhaps a job before the arguments
ParametersT = ParamSpec("ParametersT")
ReturnT = TypeVar("ReturnT")

Awaited: TypeAlias = Coroutine[Any, Any, ReturnT]


class AsyncTypedFunction(AsyncRemoteFunction[ParametersT, ReturnT], Generic[LocalT, ParametersT, ReturnT]):
    """A function with plain arguments, which can be called directly or by jobs.

    A call runs it here and now, as if it was never decorated. Its other methods submit jobs, with a client of the
    worker's own servers that is made when it is first needed.
    """

    def __init__(
        self,
        function: Callable[LocalT, Awaited[ReturnT]],
        name: Text,
        signature: Signature,
        client: Callable[[], AsyncClient[Any, Any]],
    ) -> None:
        super().__init__(name, signature, client)
        self._function = function
        update_wrapper(self, function, updated=())

    async def __call__(self, *args: LocalT.args, **kwargs: LocalT.kwargs) -> ReturnT:
        """Run the function in this program."""
        return await self._function(*args, **kwargs)


class AsyncDecorator(Protocol):
    """The result of ``@worker.function("name")``, which takes the same functions as ``@worker.function``."""

    @overload
    def __call__(self, function: JobFunctionT, /) -> JobFunctionT: ...
    @overload
    def __call__(  # type: ignore[overload-cannot-match]  # it is, by functions with arguments behind the job
        self, function: Callable[Concatenate[AsyncAssignedJob, ParametersT], Awaited[ReturnT]], /
    ) -> AsyncTypedFunction[Concatenate[AsyncAssignedJob, ParametersT], ParametersT, ReturnT]: ...
    @overload
    def __call__(
        self, function: Callable[ParametersT, Awaited[ReturnT]], /
    ) -> AsyncTypedFunction[ParametersT, ParametersT, ReturnT]: ...
