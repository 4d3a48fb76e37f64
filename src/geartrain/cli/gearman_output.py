# SPDX-License-Identifier: MIT
"""The output of `gearman` for people: that of the C tool."""

import os
import sys

from geartrain.cli.output import error
from geartrain.client.events import Completed, Created, Failed, SessionEvent
from geartrain.errors import JobException, JobFailed
from geartrain.records import Data, Progress, Warn

__all__ = ["PlainOutput"]


class PlainOutput:
    """Prints events as the C tool does.

    - Each event is printed when it comes; there, lines of text follow data when stdout is not a terminal.
    - An exception always ends with a line end.

    Args:
        prefix: Put the function's name before each piece.
        verbose: Print the handles.
    """

    def __init__(self, *, prefix: bool, verbose: bool) -> None:
        self._prefix = prefix
        self._verbose = verbose

    def show(self, function: str, event: SessionEvent) -> None:
        """Print one event of a job of a function."""
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
            case Failed(problem):
                error(f"{function}: the server refused the job: {problem}")

    def _prefixed(self, function: str, data: bytes) -> bytes:
        return b"%b: %b" % (os.fsencode(function), data) if self._prefix else data

    def _out(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def _error(self, data: bytes) -> None:
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
