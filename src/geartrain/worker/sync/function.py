# SPDX-License-Identifier: MIT
"""What `Worker.function` makes of a function with plain arguments."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from geartrain.client import Client, RemoteFunction
from geartrain.names import Text
from geartrain.typed import Signature
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Decorator", "JobFunctionT", "LocalT", "ParametersT", "ReturnT", "TypedFunction"]

JobFunctionT = TypeVar("JobFunctionT", bound=Callable[[AssignedJob], object])
LocalT = ParamSpec("LocalT")  # what it is called with here: perhaps a job before the arguments
ParametersT = ParamSpec("ParametersT")
ReturnT = TypeVar("ReturnT")


class TypedFunction(RemoteFunction[ParametersT, ReturnT], Generic[LocalT, ParametersT, ReturnT]):
    """A function of this program, which any worker can be asked to call.

    Called, it runs here and now, as if it had never been decorated. Its other methods submit jobs, by a client of the
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
    """What ``@worker.function("name")`` is: it takes all that ``@worker.function`` takes."""

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
