# SPDX-License-Identifier: MIT
"""The exceptions of Geartrain, in one tree.

::

    GeartrainError
    ├── ProtocolError            bytes that are not Gearman
    │   ├── LocalProtocolError   the program asked to send them
    │   └── RemoteProtocolError  the peer sent them
    ├── ConnectionLost           (also a ConnectionError) a connection ended before an answer came
    ├── NoServerAvailable        (also a ConnectionError) none of the servers could be reached
    ├── ReplyTimeout             (also a TimeoutError) a server did not answer in time
    ├── ServerError              a server answered with an ERROR packet
    ├── CodecError               (also a ValueError) bytes that a codec cannot decode
    ├── ArgumentError            (also a TypeError) arguments that a typed function does not take
    ├── UnsupportedPlatform      (also an ImportError) this system lacks what a part of Geartrain needs
    ├── WorkerStuck              a worker left, as jobs that did not end within their timeout hold its slots
    └── JobError
        ├── EventsLost           a job sent more events than a client keeps unread
        ├── JobFailed            the job ended with WORK_FAIL
        ├── JobException         the job ended with WORK_EXCEPTION
        └── JobTimeout           (also a TimeoutError) the job did not end in time

`NotAllSubmitted`, which reports several jobs at once and holds their handles, is in `geartrain.client.batch`. `Fail`
is not part of the tree: a worker's function raises it to fail its job. Neither is `JobInterrupted`.
"""

__all__ = [
    "ArgumentError",
    "CodecError",
    "ConnectionLost",
    "EventsLost",
    "Fail",
    "GeartrainError",
    "JobError",
    "JobException",
    "JobFail",
    "JobFailed",
    "JobInterrupted",
    "JobTimeout",
    "LocalProtocolError",
    "NoServerAvailable",
    "ProtocolError",
    "RemoteProtocolError",
    "ReplyTimeout",
    "ServerError",
    "UnsupportedPlatform",
    "WorkerStuck",
]


class GeartrainError(Exception):
    """The root of all exceptions that Geartrain raises on purpose. They can be copied and pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[GeartrainError], args: tuple[object, ...]) -> GeartrainError:
    """Return an exception without a call of its constructor, which may take other arguments."""
    error = kind.__new__(kind)
    error.args = args
    return error


class ProtocolError(GeartrainError):
    """Bytes that the Gearman protocol does not allow.

    Attributes:
        code: The code of the ERROR packet that answers the peer, such as ``INVALID_ARGUMENT``.
        text: The text of that packet.
    """

    def __init__(self, text: str, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class LocalProtocolError(ProtocolError):
    """The program asked to send what the protocol cannot express, such as a NUL byte in a function's name."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that are not Gearman; the connection cannot be used any more."""


class ConnectionLost(GeartrainError, ConnectionError):
    """A connection ended before an answer came."""


class NoServerAvailable(GeartrainError, ConnectionError):
    """None of the servers could be reached; the message names the reason for each."""


class ReplyTimeout(GeartrainError, TimeoutError):
    """A server did not answer within the time allowed."""


class ServerError(GeartrainError):
    """A server answered with an ERROR packet (protocol 1.4).

    Attributes:
        code: The server's code, such as ``QUEUE_ERROR``.
        text: The server's message.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class CodecError(GeartrainError, ValueError):
    """A codec cannot decode the bytes that were received."""


class ArgumentError(GeartrainError, TypeError):
    """A typed function does not take these arguments; it was not called."""


class UnsupportedPlatform(GeartrainError, ImportError):
    """This system does not have what a part of Geartrain needs; the message names the feature and the system."""


class WorkerStuck(GeartrainError):
    """A worker has left because jobs that did not end within their timeout hold its slots; start it again."""


class JobError(GeartrainError):
    """A job ended without a result.

    Attributes:
        handle: The handle of the job, or empty if it never had one.
    """

    def __init__(self, message: str, handle: str = "") -> None:
        super().__init__(message)
        self.handle = handle


class EventsLost(JobError):
    """A job sent more events than its client keeps unread. The result is not affected."""


class JobFailed(JobError):
    """The job ended with WORK_FAIL, from its worker or from the server.

    Attributes:
        reason: The text of the `Fail` that the worker's function raised, or of another warning that the worker sent
            directly before the end; otherwise empty.
    """

    def __init__(self, message: str, handle: str = "", reason: str = "") -> None:
        super().__init__(message, handle)
        self.reason = reason


class JobException(JobError):
    """The worker sent WORK_EXCEPTION.

    Attributes:
        text: The worker's description of the exception, decoded as UTF-8.
        data: The same as bytes.
    """

    def __init__(self, data: bytes, handle: str = "") -> None:
        self.data = data
        self.text = data.decode("utf-8", "replace")
        super().__init__(self.text, handle)


class JobTimeout(JobError, TimeoutError):
    """The job did not end within the time that the caller allowed. It may still run."""


class Fail(Exception):
    """Raised by a worker's function to end its job with WORK_FAIL, without WORK_EXCEPTION.

    Its text, if it has one, is the `reason` of the client's `JobFailed`. Clients also get it as a warning.
    """


JobFail = Fail  # its first name


class JobInterrupted(BaseException):
    """Raised inside a function that may be interrupted, and whose job did not end within its timeout.

    Like KeyboardInterrupt it is not an ``Exception``, so that ``except Exception`` in a loop does not catch it.
    """
