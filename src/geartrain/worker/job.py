# SPDX-License-Identifier: MIT
"""A job as its worker sees it."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from geartrain.protocol import Command
from geartrain.worker.session import Assignment

__all__ = ["AssignedJob", "Report"]

# Sends a packet about a job, without its handle.
Report: TypeAlias = Callable[..., None]


class AssignedJob:
    """What a worker's function is called with.

    Attributes:
        workload: What the client sent.
        handle: The server's name for the job.
        function: The function's name, without the worker's prefix.
        unique: What the client, or its library, told the job apart with; often a random string.
        reducer: The function that is to have the parts of a reduce job, empty for all others.
        client_id: What the worker calls itself.
        ending: The packets that end the job, once it is known how; they leave when the function has returned.
    """

    __slots__ = ("_report", "client_id", "ending", "function", "handle", "reducer", "unique", "workload")

    def __init__(self, assignment: Assignment, function: str, client_id: str, report: Report) -> None:
        self.workload = assignment.workload
        self.handle = assignment.handle.decode("utf-8", "surrogateescape")
        self.function = function
        self.unique = assignment.unique.decode("utf-8", "surrogateescape")
        self.reducer = assignment.reducer.decode("utf-8", "surrogateescape")
        self.client_id = client_id
        self.ending: tuple[tuple[Command, *tuple[bytes, ...]], ...] = ()
        self._report = report

    def __repr__(self) -> str:
        return f"<AssignedJob {self.handle} {self.function}: {len(self.workload)} bytes>"

    @property
    def text(self) -> str:
        """The workload as UTF-8 text."""
        return self.workload.decode()

    def json(self) -> Any:
        """Return the value that the workload is the JSON text of."""
        return json.loads(self.workload)

    def data(self, chunk: bytes | str) -> None:
        """Send a part of the result at once."""
        self._send(Command.WORK_DATA, _encode(chunk))

    def warning(self, text: bytes | str) -> None:
        """Send a warning at once."""
        self._send(Command.WORK_WARNING, _encode(text))

    def progress(self, done: int, total: int) -> None:
        """Say at once how far the job is; clients see `done` of `total`."""
        self._send(Command.WORK_STATUS, b"%d" % done, b"%d" % total)

    def fail(self) -> None:
        """End the job with WORK_FAIL; what the function returns is then ignored. See also `geartrain.JobFail`."""
        self._end((Command.WORK_FAIL,))

    def complete(self, result: object) -> None:
        """End the job with its result: bytes, text, or None for an empty one. Returning it does the same.

        Raises:
            TypeError: The result is something else.
        """
        self._end((Command.WORK_COMPLETE, b"" if result is None else _encode(result)))

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
        name, text = type(error).__name__, str(error)
        told = f"{name}: {text}" if text else name
        self._end((Command.WORK_EXCEPTION, told.encode("utf-8", "replace")), (Command.WORK_FAIL,))

    def _send(self, command: Command, *arguments: bytes) -> None:
        if not self.ending:
            self._report(command, *arguments)

    def _end(self, *packets: tuple[Command, *tuple[bytes, ...]]) -> None:
        """Keep the packets of the first end; a job has one."""
        self.ending = self.ending or packets


def _encode(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"a worker sends bytes, str or None, not {type(value).__name__}")
