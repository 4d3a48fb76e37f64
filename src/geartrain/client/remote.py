# SPDX-License-Identifier: MIT
"""Typed functions as their callers see them: arguments, options and codec. The shells add the calls."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack

from geartrain.client.request import Delay, Moment
from geartrain.codec import Codec
from geartrain.frozen import frozen
from geartrain.names import Text
from geartrain.records import Priority
from geartrain.wording import did_you_mean

if TYPE_CHECKING:
    from geartrain.typed import Signature

__all__ = ["Arguments", "JobOptions", "ParametersT", "Remote", "ReturnT", "Submitter", "signature_of"]

ParametersT = ParamSpec("ParametersT")
ReturnT = TypeVar("ReturnT")


class JobOptions(TypedDict, total=False):
    """The options of a job, apart from its function and its arguments; `geartrain.Client` describes each."""

    unique: Text | None
    priority: Priority
    timeout: float | None
    resubmits: int
    at: Moment | None
    delay: Delay | None
    cron: str | None
    timezone: str | None
    max_in_flight: int
    return_exceptions: bool


_TAKEN: dict[str, tuple[str, ...]] = {
    "do": ("unique", "priority", "timeout", "resubmits"),
    "submit": ("unique", "priority", "resubmits"),
    "submit_many": ("priority", "resubmits"),
    "enqueue": ("unique", "priority", "at", "delay", "cron", "timezone", "timeout"),
    "map": ("priority", "timeout", "resubmits", "max_in_flight", "return_exceptions"),
    "map_unordered": ("priority", "timeout", "resubmits", "max_in_flight", "return_exceptions"),
}


class Submitter(Protocol):
    """The methods of a client that a typed function calls; the function's own types are those of the results."""

    def with_codec(self, codec: Codec[Any, Any]) -> "Submitter":
        """Return the client with another codec."""

    @property
    def do(self) -> Callable[..., Any]: ...
    @property
    def submit(self) -> Callable[..., Any]: ...
    @property
    def submit_many(self) -> Callable[..., Any]: ...
    @property
    def enqueue(self) -> Callable[..., Any]: ...
    @property
    def map(self) -> Callable[..., Any]: ...
    @property
    def map_unordered(self) -> Callable[..., Any]: ...


@frozen
class Arguments(Generic[ParametersT]):
    """The checked arguments of one call.

    Attributes:
        workload: The arguments as JSON.
    """

    workload: bytes


class Remote(Generic[ParametersT, ReturnT]):
    """A typed function of workers, as a client calls it.

    Args:
        name: The function's name.
        signature: Its arguments and its result.
        client: Returns the client that submits its jobs.

    Attributes:
        signature: Its arguments and its result.
    """

    def __init__(self, name: Text, signature: "Signature", client: Callable[[], Submitter]) -> None:
        self.signature = signature
        self._name = name
        self._client = client
        self._options: JobOptions = {}

    def __repr__(self) -> str:
        return repr(self.signature).replace("Signature", type(self).__name__, 1)

    def bind(self, *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> Arguments[ParametersT]:
        """Return the arguments of a later call, for `map`, `map_unordered` and `submit_many`.

        Raises:
            ArgumentError: The function does not take these arguments.
        """
        return Arguments(self.signature.encode_arguments(args, kwargs))

    def with_options(self, **options: Unpack[JobOptions]) -> Self:
        """Return the same function with options for its jobs, which are kept apart from its own parameters.

        ::

            resize.with_options(priority=Priority.HIGH).submit(7, width=100)

        Args:
            options: The options of `Client.do`, `Client.submit`, `Client.enqueue` and `Client.map`, by their
                names. A method that does not take one of them raises ``ValueError``.

        Raises:
            TypeError: An option is unknown.
        """
        for name in options:
            if name not in JobOptions.__annotations__:
                known = JobOptions.__annotations__
                hint = did_you_mean(name, known) or f"; its options are {', '.join(known)}"
                raise TypeError(f"a job has no option {name!r}{hint}")
        twin = copy.copy(self)
        twin._options = {**self._options, **options}
        return twin

    def _caller(self) -> Submitter:
        """Return the client with the codec of this function."""
        signature = self.signature
        return self._client().with_codec(Codec(f"arguments of {signature.name}", _workload, signature.decode_result))

    def _options_for(self, call: str) -> dict[str, Any]:
        """Return the options for a method.

        Raises:
            ValueError: The method does not take one of them.
        """
        for name in self._options:
            if name not in _TAKEN[call]:
                users = ", ".join(f"{other}()" for other, taken in _TAKEN.items() if name in taken)
                raise ValueError(f"{call}() has no use for the option {name}, which is for {users}")
        return dict(self._options)


def signature_of(function: "Callable[..., Any] | Remote[..., Any]", name: str | None = None) -> "Signature":
    """Return the signature of a stub under its own name or the one given, or that of a typed function.

    Raises:
        TypeError: This is not a function, or one without a name.
    """
    from geartrain.typed import Signature  # and with it inspect, which other clients do not need

    if isinstance(function, Remote):
        return function.signature
    name = name or getattr(function, "__name__", None)
    if name is None or not callable(function):
        raise TypeError(f"this decorator takes a function, or the name of one, not {function!r}")
    return Signature(function, name)


def _workload(arguments: Arguments[...]) -> bytes:
    return arguments.workload
