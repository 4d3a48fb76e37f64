# SPDX-License-Identifier: MIT
"""Typed functions of a blocking worker. Its twin is `geartrain.worker.aio.function`."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from geartrain.client import Client, RemoteFunction
from geartrain.names import Text
from geartrain.typed import Signature
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Decorator", "JobFunctionT", "LocalT", "ParametersT", "ReturnT", "TypedFunction"]

JobFunctionT = TypeVar("JobFunctionT", bound=Callable[[AssignedJob], object])
LocalT = ParamSpec("LocalT")  # of a direct call: perhaps a job before the arguments
ParametersT = ParamSpec("ParametersT")
ReturnT = TypeVar("ReturnT")


class TypedFunction(RemoteFunction[ParametersT, ReturnT], Generic[LocalT, ParametersT, ReturnT]):
    """A function with plain arguments, which can be called directly or by jobs.

    A call runs it here and now, as if it was never decorated. Its other methods submit jobs, with a client of the
    worker's own servers that is made when it is first needed.
    """

    def __init__(
        self,
        function: Callable[LocalT, ReturnT],
        name: Text,
        signature: Signature,
        client: Callable[[], Client[Any, Any]],
    ) -> None:
        super().__init__(name, signature, client)
        self._function = function
        update_wrapper(self, function, updated=())

    def __call__(self, *args: LocalT.args, **kwargs: LocalT.kwargs) -> ReturnT:
        """Run the function in this program."""
        return self._function(*args, **kwargs)


class Decorator(Protocol):
    """The result of ``@worker.function("name")``, which takes the same functions as ``@worker.function``."""

    @overload
    def __call__(self, function: JobFunctionT, /) -> JobFunctionT: ...
    @overload
    def __call__(  # type: ignore[overload-cannot-match]  # it is, by functions with arguments behind the job
        self, function: Callable[Concatenate[AssignedJob, ParametersT], ReturnT], /
    ) -> TypedFunction[Concatenate[AssignedJob, ParametersT], ParametersT, ReturnT]: ...
    @overload
    def __call__(
        self, function: Callable[ParametersT, ReturnT], /
    ) -> TypedFunction[ParametersT, ParametersT, ReturnT]: ...
