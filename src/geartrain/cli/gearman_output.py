# SPDX-License-Identifier: MIT
"""What `gearman` prints of the jobs that it submitted: as the C tool does, or as JSON for programs."""

import base64
import json
import os
import sys
from collections.abc import Callable
from typing import ClassVar, Protocol

from geartrain.cli.output import complain
from geartrain.client.events import Completed, Created, Failed, SessionEvent
from geartrain.errors import JobException, JobFailed
from geartrain.records import Data, Progress, Warn

__all__ = ["JobOutput", "JsonOutput", "PlainOutput"]


class JobOutput(Protocol):
    """Prints events."""

    def show(self, function: str, event: SessionEvent) -> None:
        """Print what happened to a job of a function."""


class PlainOutput:
    """Prints what the C tool prints.

    - All is printed when it happens; there, lines of text come after data when stdout is no terminal.
    - An exception ends with a line end, whether it has one or not.

    Args:
        prefix: Put the function's name before each piece.
        verbose: Name the handles.
    """

    def __init__(self, *, prefix: bool, verbose: bool) -> None:
        self._prefix = prefix
        self._verbose = verbose

    def show(self, function: str, event: SessionEvent) -> None:
        """Print one event."""
        match event:
            case Created(handle) if self._verbose:
                self._out(b"Task created: %b\n" % str(handle).encode("utf-8", "surrogateescape"))
            case Data(data) | Completed(data):
                self._out(self._prefixed(function, data))
            case Progress():
                percent = int(event.fraction * 100)
                self._out(self._prefixed(function, b"%d%% Complete\n" % percent))
            case Warn(data):
                self._error(self._prefixed(function, data))
            case Failed(JobException(data=data)):
                self._error(self._prefixed(function, data if data.endswith(b"\n") else data + b"\n"))
            case Failed(JobFailed()):
                self._error(self._prefixed(function, b"Job failed\n"))
            case Failed(error):
                complain(f"{function}: the server refused the job: {error}")

    def _prefixed(self, function: str, data: bytes) -> bytes:
        return b"%b: %b" % (os.fsencode(function), data) if self._prefix else data

    def _out(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def _error(self, data: bytes) -> None:
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()


class JsonOutput:
    """Prints an object a line: the function, what happened, and what belongs to it.

    Bytes are in ``data`` if they are UTF-8, and otherwise in ``base64``.
    """

    def show(self, function: str, event: SessionEvent) -> None:
        """Print one event."""
        print(json.dumps({"function": function, **self._FACTS[type(event)](event)}), flush=True)

    _FACTS: ClassVar[dict[type, Callable[..., dict[str, object]]]] = {
        Created: lambda event: {"event": "created", "handle": str(event.handle)},
        Data: lambda event: {"event": "data", **_bytes(event.data)},
        Warn: lambda event: {"event": "warning", **_bytes(event.data)},
        Progress: lambda event: {
            "event": "progress",
            "numerator": event.numerator,
            "denominator": event.denominator,
        },
        Completed: lambda event: {"event": "completed", **_bytes(event.data)},
        Failed: lambda event: _failure(event),
    }


def _failure(event: Failed) -> dict[str, object]:
    match event.error:
        case JobException(data=data):
            return {"event": "exception", **_bytes(data)}
        case JobFailed():
            return {"event": "failed"}
        case error:
            return {"event": "refused", "error": str(error)}


def _bytes(data: bytes) -> dict[str, object]:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
