# SPDX-License-Identifier: MIT
"""What a worker can do: a table of names and callables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from geartrain.codecs import Codec
from geartrain.errors import LocalProtocolError
from geartrain.names import Text, function_bytes

__all__ = ["MAX_TIMEOUT", "Function", "FunctionTable", "shown_name"]

MAX_TIMEOUT = 2**31 // 1000  # seconds, almost 25 days: what every server's number of milliseconds can hold

CallT = TypeVar("CallT", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Function(Generic[CallT]):
    """A function as its worker knows it.

    Attributes:
        name: What the user calls it.
        wire_name: What servers call it: the worker's prefix and the name.
        call: Does a job.
        timeout: Seconds after which the server gives a job to another worker; None for ever.
        codec: How its values travel, if not as those of the worker's other functions.
    """

    name: str
    wire_name: bytes
    call: CallT
    timeout: float | None
    codec: Codec[Any, Any] | None = None

    @property
    def timeout_ms(self) -> int | None:
        """The timeout as CAN_DO_TIMEOUT wants it; at least one, because nought means none."""
        return None if self.timeout is None else max(round(self.timeout * 1000), 1)


class FunctionTable(Generic[CallT]):
    """The functions of one worker, by the name that servers use.

    Args:
        prefix: A name-space that stands before every name on the wire, and only there.
    """

    def __init__(self, prefix: Text = "") -> None:
        self._prefix = prefix
        self._functions: dict[bytes, Function[CallT]] = {}

    def __iter__(self) -> Iterator[Function[CallT]]:
        return iter(list(self._functions.values()))

    def __len__(self) -> int:
        return len(self._functions)

    def add(
        self, name: Text, call: CallT, timeout: float | None = None, codec: Codec[Any, Any] | None = None
    ) -> Function[CallT]:
        """Add a function, or replace one, and return it.

        Raises:
            LocalProtocolError: The name cannot travel, or the timeout is out of range.
        """
        wire_name = function_bytes(name, self._prefix)
        if timeout is not None and not 0 < timeout <= MAX_TIMEOUT:
            raise LocalProtocolError(
                f"{name!r}: a timeout is more than 0 and up to {MAX_TIMEOUT} seconds, not {timeout}"
            )
        function = Function(shown_name(name), wire_name, call, timeout, codec)
        self._functions[wire_name] = function
        return function

    def remove(self, name: Text) -> Function[CallT]:
        """Remove a function and return it.

        Raises:
            KeyError: There is none of that name.
        """
        return self._functions.pop(function_bytes(name, self._prefix))

    def get(self, wire_name: bytes) -> Function[CallT] | None:
        """Return the function that servers know by a name."""
        return self._functions.get(wire_name)


def shown_name(name: Text) -> str:
    """Return a name as text, whatever its bytes are."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")
