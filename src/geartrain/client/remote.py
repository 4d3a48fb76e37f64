# SPDX-License-Identifier: MIT
"""Functions with plain arguments as their callers see them: all but the calling, which is the shells'."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Self, TypedDict, TypeVar, Unpack

from geartrain.client.request import Delay, Moment
from geartrain.codec import Codec
from geartrain.names import Text
from geartrain.records import Priority
from geartrain.typed import Signature

__all__ = ["Arguments", "JobOptions", "ParametersT", "Remote", "ReturnT", "signature_of"]

ParametersT = ParamSpec("ParametersT")
ReturnT = TypeVar("ReturnT")


class JobOptions(TypedDict, total=False):
    """What can be said of a job besides its function and its arguments; `geartrain.Client` says what each is for."""

    unique: Text | None
    priority: Priority
    timeout: float | None
    retries: int
    at: Moment | None
    delay: Delay | None
    cron: str | None
    max_in_flight: int


_TAKEN: dict[str, tuple[str, ...]] = {
    "do": ("unique", "priority", "timeout", "retries"),
    "submit": ("unique", "priority", "retries"),
    "submit_many": ("priority", "retries"),
    "submit_background": ("unique", "priority", "at", "delay", "cron", "timeout"),
    "map": ("priority", "timeout", "retries", "max_in_flight"),
}


@dataclass(frozen=True, slots=True)
class Arguments(Generic[ParametersT]):
    """The arguments of one call, found to be in order.

    Attributes:
        workload: What travels.
    """

    workload: bytes


class Remote(Generic[ParametersT, ReturnT]):
    """A function that workers have, with its own arguments.

    Attributes:
        signature: What these are.
    """

    def __init__(self, name: Text, signature: Signature) -> None:
        self.signature = signature
        self._name = name
        self._options: JobOptions = {}

    def __repr__(self) -> str:
        return repr(self.signature).replace("Signature", type(self).__name__, 1)

    def bind(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Arguments[ParametersT]:
        """Return the arguments of a call that is yet to be made, for `map` and `submit_many`.

        Raises:
            ArgumentError: The function does not take them.
        """
        return Arguments(self.signature.encode_arguments(args, kwargs))

    def with_options(self, **options: Unpack[JobOptions]) -> Self:
        """Return the same function with options for its jobs, kept apart from its own parameters.

        ::

            resize.with_options(priority=Priority.HIGH).submit(7, width=100)

        Args:
            options: Those of `Client.do`, `Client.submit`, `Client.submit_background` and `Client.map`, by their names.
                A way of calling that has no use for one of them raises ``ValueError``.

        Raises:
            TypeError: There is no such option.
        """
        for name in options:
            if name not in JobOptions.__annotations__:
                raise TypeError(f"a job has no option {name!r}, but {', '.join(JobOptions.__annotations__)}")
        twin = copy.copy(self)
        twin._options = {**self._options, **options}
        return twin

    def _codec(self) -> Codec[Arguments[ParametersT], ReturnT]:
        """Return how calls travel, and what comes of them."""
        return Codec(f"arguments of {self.signature.name}", _workload, self.signature.decode_result)

    def _options_for(self, call: str) -> dict[str, Any]:
        """Return the options.

        Raises:
            ValueError: A way of calling has no use for one of them.
        """
        for name in self._options:
            if name not in _TAKEN[call]:
                users = ", ".join(f"{other}()" for other, taken in _TAKEN.items() if name in taken)
                raise ValueError(f"{call}() has no use for the option {name}, which is for {users}")
        return dict(self._options)


def signature_of(function: "Callable[..., Any] | Remote[..., Any]", name: str | None = None) -> Signature:
    """Return the signature of a stub, called by its own name or the one given, or that of a function that has one."""
    return function.signature if isinstance(function, Remote) else Signature(function, name or function.__name__)


def _workload(arguments: Arguments[...]) -> bytes:
    return arguments.workload
