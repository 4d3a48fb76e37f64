# SPDX-License-Identifier: MIT
"""Everything that goes wrong, in one tree.

::

    GeartrainError
    ├── ProtocolError            bytes that are not Gearman
    │   ├── LocalProtocolError   we were asked to send them
    │   └── RemoteProtocolError  the peer sent them
    ├── ConnectionLost           (also a ConnectionError) a server went away in mid-conversation
    ├── NoServerAvailable        (also a ConnectionError) none of the servers could be reached
    ├── ReplyTimeout             (also a TimeoutError) a server did not answer in time
    ├── ServerError              a server answered with an ERROR packet
    ├── CodecError               (also a ValueError) bytes that a codec cannot read
    ├── ArgumentError            (also a TypeError) arguments that a typed function does not take
    └── JobError
        ├── EventsLost           more events came than a client keeps for a reader
        ├── JobFailed            the worker said that the job failed
        ├── JobException         the worker sent an exception
        └── JobTimeout           (also a TimeoutError) the job did not end in time

`NotAllSubmitted`, of several jobs at once, holds handles as well and is in `geartrain.client.bulk`. `JobFail` stands
apart: a worker's function raises it to fail its job without an exception of its own.
"""

__all__ = [
    "ArgumentError",
    "CodecError",
    "ConnectionLost",
    "EventsLost",
    "GeartrainError",
    "JobError",
    "JobException",
    "JobFail",
    "JobFailed",
    "JobTimeout",
    "LocalProtocolError",
    "NoServerAvailable",
    "ProtocolError",
    "RemoteProtocolError",
    "ReplyTimeout",
    "ServerError",
]


class GeartrainError(Exception):
    """The root of all errors that Geartrain raises on purpose."""


class ProtocolError(GeartrainError):
    """Bytes that the Gearman protocol does not allow.

    Attributes:
        code: The code for an ERROR packet that tells the peer, such as ``INVALID_ARGUMENT``.
        text: The same for its text.
    """

    def __init__(self, text: str, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class LocalProtocolError(ProtocolError):
    """We were asked to send something that the protocol has no place for, such as a NUL byte in a function name."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that is not Gearman; its connection cannot be used any more."""


class ConnectionLost(GeartrainError, ConnectionError):
    """A connection ended while something was expected from it."""


class NoServerAvailable(GeartrainError, ConnectionError):
    """None of the servers could be reached; the message says why for each."""


class ReplyTimeout(GeartrainError, TimeoutError):
    """A server did not answer within the time allowed."""


class ServerError(GeartrainError):
    """A server answered with an ERROR packet (protocol 1.4).

    Attributes:
        code: The server's code, such as ``QUEUE_ERROR``.
        text: The server's words.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class CodecError(GeartrainError, ValueError):
    """Bytes that came are none of the codec that was to read them."""


class ArgumentError(GeartrainError, TypeError):
    """A typed function cannot be called with these arguments; neither was it."""


class JobError(GeartrainError):
    """A job ended without a result.

    Attributes:
        handle: The handle of the job, or empty when it never had one.
    """

    def __init__(self, message: str, handle: str = "") -> None:
        super().__init__(message)
        self.handle = handle


class EventsLost(JobError):
    """A job sent more than its client keeps, and nobody read it. The result is not affected."""


class JobFailed(JobError):
    """The worker, or the server on its behalf, said WORK_FAIL."""


class JobException(JobError):
    """The worker sent WORK_EXCEPTION.

    Attributes:
        text: What the worker said of it, decoded as UTF-8.
        data: The same as it came.
    """

    def __init__(self, data: bytes, handle: str = "") -> None:
        self.data = data
        self.text = data.decode("utf-8", "replace")
        super().__init__(self.text, handle)


class JobTimeout(JobError, TimeoutError):
    """The job did not end within the time that the caller allowed. It may still run."""


class JobFail(Exception):
    """Raise this in a worker's function to end the job with WORK_FAIL and nothing else."""
