# SPDX-License-Identifier: MIT
"""What an administrator can ask for: each call with the command that asks, and how its reply is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from geartrain.admin.rows import FunctionStatus, JobRow, LimitRow, PriorityStatus, ScheduleRow, StallRow, WorkerStatus
from geartrain.admin.session import Reply, Request, to_text
from geartrain.errors import RemoteProtocolError
from geartrain.protocol.text import TextCommand

__all__ = [
    "Call",
    "cancel",
    "check_token",
    "create_function",
    "drop_function",
    "jobs",
    "limits",
    "pid",
    "priority_status",
    "schedules",
    "set_max_queue",
    "show_token",
    "shutdown",
    "stalls",
    "status",
    "unique_jobs",
    "verbosity",
    "version",
    "workers",
]

Value = TypeVar("Value")

_WRONG_TOKEN = b"WRONG_TOKEN"


@dataclass(frozen=True, slots=True)
class Call(Generic[Value]):
    """A question and the way to its answer.

    Attributes:
        request: What to ask.
        read: Makes the value of the reply; raises `RemoteProtocolError` for one that makes no sense.
    """

    request: Request
    read: Callable[[Reply], Value]

    def value_of(self, reply: Reply) -> Value:
        """Return what was asked for.

        Raises:
            ServerError: The reply is an error.
        """
        return self.read(reply.checked())


def status() -> Call[list[FunctionStatus]]:
    """The jobs and workers of each function."""
    return _listing(TextCommand.STATUS, FunctionStatus.parse)


def priority_status() -> Call[list[PriorityStatus]]:
    """The waiting jobs of each function by priority."""
    return _listing(TextCommand.PRIORITY_STATUS, PriorityStatus.parse)


def workers() -> Call[list[WorkerStatus]]:
    """All connections."""
    return _listing(TextCommand.WORKERS, WorkerStatus.parse)


def jobs() -> Call[list[JobRow]]:
    """All jobs."""
    return _listing(TextCommand.SHOW_JOBS, JobRow.parse)


def unique_jobs() -> Call[list[str]]:
    """The uniques of all jobs."""
    return _listing(TextCommand.SHOW_UNIQUE_JOBS, to_text)


def schedules() -> Call[list[ScheduleRow]]:
    """All jobs that repeat themselves."""
    return _listing(TextCommand.SHOW_SCHEDULES, ScheduleRow.parse)


def stalls() -> Call[list[StallRow]]:
    """The functions whose jobs wait and are not taken."""
    return _listing(TextCommand.SHOW_STALLS, StallRow.parse)


def limits() -> Call[list[LimitRow]]:
    """How often each limit has held something off."""
    return _listing(TextCommand.SHOW_LIMITS, LimitRow.parse)


def version() -> Call[str]:
    """The server's version."""
    return Call((TextCommand.VERSION, ()), _text)


def pid() -> Call[int]:
    """The server's process id."""
    return Call((TextCommand.GETPID, ()), _process_id)


def verbosity() -> Call[str]:
    """How much the server logs."""
    return Call((TextCommand.VERBOSE, ()), _text)


def cancel(handle: str) -> Call[None]:
    """Drop a job that waits."""
    return _order(TextCommand.CANCEL_JOB, handle)


def create_function(function: str) -> Call[None]:
    """Make a function known."""
    return _order(TextCommand.CREATE_FUNCTION, function)


def drop_function(function: str) -> Call[None]:
    """Forget a function."""
    return _order(TextCommand.DROP_FUNCTION, function)


def set_max_queue(function: str, limit: int, high: int | None, normal: int | None, low: int | None) -> Call[None]:
    """Limit how many jobs a function may have.

    Raises:
        ValueError: A limit is negative.
    """
    limits = [limit if own is None else own for own in (high, normal, low)]
    if min(limits) < 0:
        raise ValueError(f"{function}: a limit is a number of jobs, or 0 for any number, not {min(limits)}")
    return _order(TextCommand.MAXQUEUE, function, *map(str, limits))


def shutdown(*, graceful: bool) -> Call[None]:
    """Have the server stop."""
    return _order(TextCommand.SHUTDOWN, *(["graceful"] if graceful else []))


def show_token(token: str) -> Request:
    """Show the server a token."""
    return (TextCommand.TOKEN, (token,))


def check_token(reply: Reply) -> None:
    """See whether the server has accepted the token. One that has no such command does not need it.

    Raises:
        ServerError: It has not.
    """
    if reply.value.startswith(_WRONG_TOKEN):
        reply.checked()


def _listing(command: TextCommand, parse: Callable[[bytes], Value]) -> Call[list[Value]]:
    return Call((command, ()), lambda reply: [parse(row) for row in reply.lines])


def _order(command: TextCommand, *arguments: str) -> Call[None]:
    return Call((command, arguments), lambda reply: None)


def _text(reply: Reply) -> str:
    return to_text(reply.value)


def _process_id(reply: Reply) -> int:
    if not reply.value.isdigit():
        raise RemoteProtocolError(f"a process id was expected, not {reply.value!r}")
    return int(reply.value)
