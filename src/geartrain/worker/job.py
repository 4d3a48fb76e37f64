# SPDX-License-Identifier: MIT
"""A job as its worker sees it, without I/O: what was asked for, and how it ends."""

import json
from typing import Any, TypeAlias

from geartrain.codecs import RAW, Codec
from geartrain.names import Text, encode
from geartrain.protocol import Command
from geartrain.protocol.parser import MAX_PACKET
from geartrain.worker.session import Assignment

__all__ = ["JobInHand", "Report"]

# A packet about a job, without its handle.
Report: TypeAlias = tuple[Command, *tuple[bytes, ...]]

# Bytes of data in one packet: what fits into a server's limit with any handle.
MAX_DATA = MAX_PACKET - 1024

_UNDECODED = object()


class JobInHand:
    """What both workers' functions are called with; what sends something is added by `AssignedJob` and its twin.

    Attributes:
        assignment: The job as it came.
        function: The function's name, without the worker's prefix.
        client_id: What the worker calls itself.
        codec: How its values travel.
        ending: The packets that end the job, once it is known how; they leave when the function has returned.
    """

    __slots__ = ("_value", "assignment", "client_id", "codec", "ending", "function")

    def __init__(self, assignment: Assignment, function: str, client_id: str, codec: Codec[Any, Any]) -> None:
        self.assignment = assignment
        self.function = function
        self.client_id = client_id
        self.ending: tuple[Report, ...] = ()
        self.codec = codec
        self._value: Any = _UNDECODED

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.handle} {self.function}: {len(self.workload)} bytes>"

    @property
    def workload(self) -> bytes:
        """What the client sent."""
        return self.assignment.workload

    @property
    def text(self) -> str:
        """The workload as UTF-8 text."""
        return self.workload.decode()

    def json(self) -> Any:
        """Return the value that the workload is the JSON text of."""
        return json.loads(self.workload)

    @property
    def value(self) -> Any:
        """What the worker's codec makes of the workload: without a codec, the same bytes.

        Raises:
            CodecError: The workload is none of the codec's.
        """
        if self._value is _UNDECODED:
            self._value = self.codec.decode(self.workload)
        return self._value

    @property
    def handle(self) -> str:
        """The server's name for the job."""
        return self.assignment.handle.decode("utf-8", "surrogateescape")

    @property
    def unique(self) -> str:
        """What the client, or its library, told the job apart with; often a random string."""
        return self.assignment.unique.decode("utf-8", "surrogateescape")

    @property
    def reducer(self) -> str:
        """The function that is to have the parts of a reduce job, empty for all others."""
        return self.assignment.reducer.decode("utf-8", "surrogateescape")

    def fail(self) -> None:
        """End the job with WORK_FAIL; what the function returns is then ignored. See also `geartrain.JobFail`."""
        self._end((Command.WORK_FAIL,))

    def complete(self, result: object) -> None:
        """End the job with its result, as the codec encodes it. Returning it does the same.

        Raises:
            TypeError: The codec does not take it: without one it is bytes, text, or None for an empty result.
            ValueError: It is too large for a packet.
        """
        # Without a codec, nothing is what a function returns that has nothing to say.
        data = b"" if result is None and self.codec is RAW else self.encode(result)
        self._end((Command.WORK_COMPLETE, data))

    def raised(self, error: BaseException, *, tell: bool = True) -> None:
        """End the job with an exception: WORK_EXCEPTION, then WORK_FAIL.

        gearmand and our own server end the job on the first; ours swallows the second, gearmand answers it with an
        ERROR, which a worker's session takes in its stride. Servers that only pass an exception on, as Perl's does,
        end the job on the second and without it would hold it for ever.

        Args:
            tell: Send the exception. For a client that did not ask for exceptions gearmand 1.1 makes of it a WORK_FAIL
                with a NUL byte behind the handle, which libgearman 1.1 ignores and then waits for ever. With such
                clients around, False sends WORK_FAIL only.
        """
        if not tell:
            self.fail()
            return
        name, text = type(error).__name__, _text_of(error)
        told = f"{name}: {text}" if text else name
        self._end((Command.WORK_EXCEPTION, told.encode("utf-8", "replace")[:MAX_DATA]), (Command.WORK_FAIL,))

    def encode(self, value: object) -> bytes:
        """Return a value as it travels.

        Raises:
            TypeError: The codec does not take it.
            ValueError: It is too large for a packet.
        """
        return _fitting(self.codec.encode(value))

    def _data(self, chunk: object) -> Report:
        return Command.WORK_DATA, self.encode(chunk)

    def _warning(self, text: Text) -> Report:
        return Command.WORK_WARNING, _fitting(encode(text, "a warning"))

    def _progress(self, done: int, total: int) -> Report:
        return Command.WORK_STATUS, b"%d" % done, b"%d" % total

    def _end(self, *packets: Report) -> None:
        """Keep the packets of the first end; a job has one."""
        self.ending = self.ending or packets


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as another:  # noqa: BLE001  # it is the user's code, and the client waits for an answer all the same
        return f"it has no text, as that raised {type(another).__name__}"


def _fitting(data: bytes) -> bytes:
    if len(data) > MAX_DATA:
        raise ValueError(f"one packet carries up to {MAX_DATA} bytes, not {len(data)}; a generator sends many")
    return data
