# SPDX-License-Identifier: MIT
"""What `AsyncWorker.function` makes of a function with plain arguments."""

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from geartrain.client.aio import AsyncClient, AsyncRemoteFunction
from geartrain.names import Text
from geartrain.typed import Signature
from geartrain.worker.aio.job import AsyncAssignedJob

__all__ = ["AsyncDecorator", "AsyncTypedFunction", "Awaited", "JobFunctionT", "LocalT", "ParametersT", "ReturnT"]

JobFunctionT = TypeVar("JobFunctionT", bound=Callable[[AsyncAssignedJob], object])
LocalT = ParamSpec("LocalT")  # what it is called with here: perhaps a job before the arguments
ParametersT = ParamSpec("ParametersT")
ReturnT = TypeVar("ReturnT")

Awaited: TypeAlias = Coroutine[Any, Any, ReturnT]


class AsyncTypedFunction(AsyncRemoteFunction[ParametersT, ReturnT], Generic[LocalT, ParametersT, ReturnT]):
    """A function of this program, which any worker can be asked to call.

    Called, it runs here and now, as if it had never been decorated. Its other methods submit jobs, by a client of the
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
    """What ``@worker.function("name")`` is: it takes all that ``@worker.function`` takes."""

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
