# SPDX-License-Identifier: MIT
"""A job that a server assigned to a worker, without I/O: its input, and the packets that report its end."""

import json
from typing import Any, ClassVar, TypeAlias

from geartrain.codec import RAW
from geartrain.errors import Fail
from geartrain.names import Text, encode
from geartrain.protocol import Command
from geartrain.wording import counted
from geartrain.worker.functions import Function
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import Assignment

__all__ = ["AnyAssignedJob", "Report"]

# A packet about a job, without its handle.
Report: TypeAlias = tuple[Command, *tuple[bytes, ...]]

_UNDECODED = object()

_MAX_TYPES = 50  # of an exception; no sensible one has as many
_MAX_TRACEBACK = 16 * 1024  # characters: enough for any but endless recursion


class AnyAssignedJob:
    """The common part of `AssignedJob` and `AsyncAssignedJob`: everything but the methods that send.

    Args:
        assignment: The job from the server.
        function: The function that does it.
        options: The worker's options.

    Attributes:
        assignment: The job from the server.
        codec: The codec of its values.
        ending: The packets that end the job, once its end is known; they are sent when the function has returned.
        deadline: The time of ``time.monotonic`` at which the server takes the job away; None without a timeout.
        has_sent_data: True once a part of the result was sent, so that the function cannot begin again.
        is_given_up: True once its connection is lost or the worker leaves, so that its result is not wanted any more.
    """

    __slots__ = (
        "_function",
        "_options",
        "_value",
        "assignment",
        "codec",
        "deadline",
        "ending",
        "has_sent_data",
        "is_given_up",
    )

    _clock: ClassVar["staticmethod[[], float]"]  # the monotonic clock, which the shells set

    def __init__(self, assignment: Assignment, function: Function[Any], options: WorkerOptions) -> None:
        self.assignment = assignment
        self.codec = function.codec or options.codec
        self.ending: tuple[Report, ...] = ()
        self.deadline = None if function.timeout is None else self._clock() + function.timeout
        self.has_sent_data = False
        self.is_given_up = False
        self._function = function
        self._options = options
        self._value: Any = _UNDECODED

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.handle} {self.function}: {counted(len(self.workload), 'byte')}>"

    @property
    def function(self) -> str:
        """The function's name, without the worker's prefix."""
        return self._function.name

    @property
    def client_id(self) -> str:
        """The worker's client id."""
        return self._options.client_id

    @property
    def workload(self) -> bytes:
        """The workload, as the client sent it."""
        return self.assignment.workload

    @property
    def text(self) -> str:
        """The workload as UTF-8 text."""
        return self.workload.decode()

    def json(self) -> Any:
        """Return the value of a workload that is JSON text."""
        return json.loads(self.workload)

    @property
    def value(self) -> Any:
        """The workload, decoded by the worker's codec; without a codec the bytes.

        Raises:
            CodecError: The codec cannot decode the workload.
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
        """The unique that the client, or its library, gave the job; often a random string."""
        return self.assignment.unique.decode("utf-8", "surrogateescape")

    @property
    def reducer(self) -> str:
        """The function that gets the parts of a reduce job; empty for all other jobs."""
        return self.assignment.reducer.decode("utf-8", "surrogateescape")

    @property
    def cancelled(self) -> bool:
        """True if the result is useless: the job's timeout is over, or its server or worker gave it up.

        A long function should check this now and then, and return. After the timeout, the process of a job is killed
        within half a second, and its task is cancelled; a thread continues, and holds its slot until it ends.
        """
        return self.is_given_up or (self.deadline is not None and self._clock() >= self.deadline)

    @property
    def may_repeat(self) -> bool:
        """True if the function may be called again: nothing of a result was sent, and the job has not ended."""
        return not (self.has_sent_data or self.ending or self.cancelled)

    def fail(self) -> None:
        """End the job with WORK_FAIL; the function's result is then ignored. See also `geartrain.Fail`."""
        self._end((Command.WORK_FAIL,))

    def complete(self, result: object) -> None:
        """End the job with its result, encoded by the codec. Returning the result does the same.

        Raises:
            TypeError: The codec cannot encode the result; without a codec it is bytes, text, or None for no bytes.
            ValueError: The result is too large for a packet.
        """
        # Without a codec, None is the result of a function that returns nothing.
        data = b"" if result is None and self.codec is RAW else self._encode_own(result, "the result")
        self._end((Command.WORK_COMPLETE, data))

    def failed(self, failure: Fail, *, tell: bool = True) -> None:
        """End the job with WORK_FAIL, and its reason if it has one in a WORK_WARNING before that.

        A WORK_FAIL has no room for a reason; a client takes it from a warning that comes directly before.

        Args:
            failure: The exception that the function raised.
            tell: True to send the reason.
        """
        reason = _text_of(failure).encode("utf-8", "replace")[: self._options.max_data]
        warning: tuple[Report, ...] = ((Command.WORK_WARNING, reason),) if reason and tell else ()
        self._end(*warning, (Command.WORK_FAIL,))

    def raised(self, error: BaseException, *, tell: bool = True) -> None:
        """End the job with WORK_EXCEPTION and WORK_FAIL.

        gearmand and Geartrain's server end the job on the first; Geartrain's ignores the second, and gearmand answers
        it with an ERROR, which a worker's session ignores. Servers that only forward an exception, such as Perl's, end
        the job on the second, and without it would never end the job.

        Args:
            error: The exception.
            tell: True to send the exception. For a client that did not ask for exceptions gearmand 1.1 turns it into a
                WORK_FAIL with a NUL byte behind the handle, which libgearman 1.1 ignores, so that the client waits for
                ever. With such clients False sends WORK_FAIL only.
        """
        if not tell:
            self.fail()
            return
        name, text = type(error).__name__, _text_of(error)
        message = f"{name}: {text}" if text else name
        details = _details(error, with_traceback=self._options.tracebacks)
        if len(details) > self._options.max_data // 2:
            details = b""
        data = message.encode("utf-8", "replace")[: self._options.max_data - len(details) - 1]
        self._end((Command.WORK_EXCEPTION, details + b"\0" + data), (Command.WORK_FAIL,))

    def end(self) -> None:
        """End the job with WORK_FAIL if its end is not known, as what runs it has failed itself."""
        self._end((Command.WORK_FAIL,))

    def encode(self, value: object) -> bytes:
        """Return a value as bytes, encoded by the codec.

        Raises:
            TypeError: The codec cannot encode the value.
            ValueError: The value is too large for a packet.
        """
        return self._fitting(self.codec.encode(value))

    def _data(self, chunk: object) -> Report:
        self.has_sent_data = True
        return Command.WORK_DATA, self._encode_own(chunk, "a part of the result")

    def _encode_own(self, value: object, what: str) -> bytes:
        """Encode a value from the function; an error names the function, which is in no frame of the traceback.

        Raises:
            TypeError: The codec cannot encode the value.
            ValueError: The value is too large for a packet.
        """
        try:
            return self.encode(value)
        except TypeError as error:
            raise TypeError(f"{what} of {self.function}: {error}") from None

    def _warning(self, text: Text) -> Report:
        return Command.WORK_WARNING, self._fitting(encode(text, "a warning"))

    def _progress(self, done: int, total: int) -> Report:
        return Command.WORK_STATUS, b"%d" % done, b"%d" % total

    def _end(self, *packets: Report) -> None:
        """Keep the packets of the first end; later ones are ignored."""
        self.ending = self.ending or packets

    def _fitting(self, data: bytes) -> bytes:
        limit = self._options.max_data
        if len(data) > limit:
            raise ValueError(f"one packet carries up to {limit} bytes, not {len(data)}; a generator sends many")
        return data


def _details(error: BaseException, *, with_traceback: bool) -> bytes:
    """Return the names of an exception's classes, and its traceback, as JSON, which has no NUL byte."""
    details: dict[str, object] = {"types": [kind.__name__ for kind in type(error).__mro__[:_MAX_TYPES]][:-1]}
    if with_traceback:
        import traceback  # here alone, as few workers need it

        details["traceback"] = "".join(traceback.format_tb(error.__traceback__))[-_MAX_TRACEBACK:]
    return json.dumps(details).encode()


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as another:  # noqa: BLE001  # the user's code; the client waits for an answer anyway
        return f"it has no text, as that raised {type(another).__name__}"
