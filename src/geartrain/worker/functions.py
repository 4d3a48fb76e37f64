# SPDX-License-Identifier: MIT
"""The functions of a worker: a table of names and callables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from geartrain.codec import Codec
from geartrain.names import Text, function_bytes

__all__ = ["MAX_TIMEOUT", "Function", "FunctionTable", "Retries", "display_name"]

MAX_TIMEOUT = 2**31 // 1000  # seconds, almost 25 days: every server can hold that number of milliseconds

CallT = TypeVar("CallT", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Function(Generic[CallT]):
    """A function of a worker.

    Attributes:
        name: The name given by the user.
        wire_name: The name on the wire: the worker's prefix and the name.
        call: Does a job.
        timeout: Seconds after which the server gives a job to another worker; None for no limit.
        codec: The codec of its values, if it differs from the worker's.
        interrupt: True to raise an exception in its thread when a job does not end within the timeout.
    """

    name: str
    wire_name: bytes
    call: CallT
    timeout: float | None
    codec: Codec[Any, Any] | None = None
    interrupt: bool = False

    @property
    def timeout_ms(self) -> int | None:
        """The timeout for CAN_DO_TIMEOUT; at least one, because zero means none."""
        return None if self.timeout is None else max(round(self.timeout * 1000), 1)


@dataclass(frozen=True, slots=True)
class Retries:
    """The tries of a function inside one run of a job.

    Attributes:
        retry_on: The exceptions after which the function is called again.
        tries: The number of calls, the first one included.

    Raises:
        ValueError: Only one of them is given, or there are fewer than no tries.
        TypeError: Something else than exceptions is given.
    """

    retry_on: tuple[type[BaseException], ...] = ()
    tries: int = 1

    def __post_init__(self) -> None:
        if self.tries < 1 or self.tries % 1:
            raise ValueError(f"tries is the number of calls, at least 1, not {self.tries!r}")
        if (self.tries == 1) == bool(self.retry_on):
            raise ValueError(f"retry_on and tries go together, such as retry_on=(OSError,), tries=3, unlike {self!r}")
        kinds: tuple[object, ...] = self.retry_on
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise TypeError(f"retry_on is a tuple of exceptions, such as (OSError,); {kind!r} is none")

    def goes_on(self, error: BaseException, number: int, *, may_repeat: bool) -> bool:
        """Return True if the function is to be called again after a failed call.

        Args:
            error: The exception of the call.
            number: The number of the call, from 1 on.
            may_repeat: False if the call has had effects on the job.
        """
        return may_repeat and number < self.tries and isinstance(error, self.retry_on)


class FunctionTable(Generic[CallT]):
    """The functions of one worker, by their names on the wire.

    Args:
        prefix: A namespace that is put before every name on the wire, and only there.
    """

    def __init__(self, prefix: Text = "") -> None:
        self._prefix = prefix
        self._functions: dict[bytes, Function[CallT]] = {}

    def __iter__(self) -> Iterator[Function[CallT]]:
        return iter(list(self._functions.values()))

    def __len__(self) -> int:
        return len(self._functions)

    def add(
        self,
        name: Text,
        call: CallT,
        timeout: float | None = None,
        codec: Codec[Any, Any] | None = None,
        *,
        interrupt: bool = False,
    ) -> Function[CallT]:
        """Add a function, or replace one, and return it.

        Raises:
            LocalProtocolError: The name is empty, too long or contains a NUL byte.
            ValueError: The timeout is out of range, or jobs without a timeout are to be interrupted.
            TypeError: The timeout is not a number.
        """
        wire_name = function_bytes(name, self._prefix)
        if not isinstance(timeout, float | int | None):
            raise TypeError(f"{name!r}: timeout is a number of seconds, or None for no limit, not {timeout!r}")
        if timeout is not None and not 0 < timeout <= MAX_TIMEOUT:
            raise ValueError(f"{name!r}: a timeout is more than 0 and up to {MAX_TIMEOUT} seconds, not {timeout}")
        if interrupt and timeout is None:
            raise ValueError(f"{name!r}: jobs are interrupted at the end of a timeout, so it needs one")
        function = Function(display_name(name), wire_name, call, timeout, codec, interrupt)
        self._functions[wire_name] = function
        return function

    def remove(self, name: Text) -> Function[CallT]:
        """Remove a function and return it.

        Raises:
            KeyError: The table has no function of that name.
        """
        return self._functions.pop(function_bytes(name, self._prefix))

    def get(self, wire_name: bytes) -> Function[CallT] | None:
        """Return the function with a name on the wire."""
        return self._functions.get(wire_name)


def display_name(name: Text) -> str:
    """Return a name as text, from text or any bytes."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
