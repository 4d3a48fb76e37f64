# SPDX-License-Identifier: MIT
"""The calls of an admin client: the command of each, and the decoding of its reply."""

from collections.abc import Callable
from typing import Generic, TypeVar

from geartrain.admin.rows import (
    FunctionStatus,
    JobRow,
    LimitRow,
    PriorityStatus,
    ScheduleRow,
    StallRow,
    WorkerStatus,
    read_row,
)
from geartrain.admin.session import Reply, Request, to_text
from geartrain.errors import RemoteProtocolError
from geartrain.frozen import frozen
from geartrain.protocol.listings import LISTINGS, ListingRow
from geartrain.protocol.text import TextCommand
from geartrain.records import Handle

__all__ = [
    "Call",
    "cancel",
    "create_function",
    "drop_function",
    "jobs",
    "limits",
    "pid",
    "priority_status",
    "schedules",
    "show",
    "set_max_queue",
    "shutdown",
    "stalls",
    "status",
    "unique_jobs",
    "verbosity",
    "version",
    "workers",
]

Value = TypeVar("Value")
RowT = TypeVar("RowT", bound=ListingRow)


@frozen
class Call(Generic[Value]):
    """A command and the decoding of its reply.

    Attributes:
        request: The command.
        read: Returns the value of the reply; raises `RemoteProtocolError` for an invalid one.
    """

    request: Request
    read: Callable[[Reply], Value]

    def value_of(self, reply: Reply) -> Value:
        """Return the value of a reply.

        Raises:
            ServerError: The reply is an error.
        """
        return self.read(reply.checked())


def status() -> Call[list[FunctionStatus]]:
    """Return the call for the jobs and workers of each function."""
    return _listing(TextCommand.STATUS, FunctionStatus.parse)


def priority_status() -> Call[list[PriorityStatus]]:
    """Return the call for the waiting jobs of each function by priority."""
    return _listing(TextCommand.PRIORITY_STATUS, PriorityStatus.parse)


def workers() -> Call[list[WorkerStatus]]:
    """Return the call for all connections."""
    return _listing(TextCommand.WORKERS, WorkerStatus.parse)


def jobs() -> Call[list[JobRow]]:
    """Return the call for all jobs."""
    return _listing(TextCommand.SHOW_JOBS, JobRow.parse)


def unique_jobs() -> Call[list[str]]:
    """Return the call for the uniques of all jobs."""
    return _listing(TextCommand.SHOW_UNIQUE_JOBS, to_text)


def schedules() -> Call[list[ScheduleRow]]:
    """Return the call for all cron jobs."""
    return _listing(TextCommand.SHOW_SCHEDULES, ScheduleRow.parse)


def stalls() -> Call[list[StallRow]]:
    """Return the call for the functions whose jobs have waited too long."""
    return _listing(TextCommand.SHOW_STALLS, StallRow.parse)


def limits() -> Call[list[LimitRow]]:
    """Return the call for the rejections by each limit."""
    return _listing(TextCommand.SHOW_LIMITS, LimitRow.parse)


def show(row: type[RowT]) -> Call[list[RowT]]:
    """Return the call for the listing with rows of a class.

    Raises:
        ValueError: No listing has such rows.
    """
    for command, found in LISTINGS.items():
        if found.row is row:
            return _listing(command, lambda line: read_row(row, line))
    names = ", ".join(found.row.__name__ for found in LISTINGS.values())
    raise ValueError(f"{row.__name__} is not the row of a listing; those are {names}")


def version() -> Call[str]:
    """Return the call for the server's version."""
    return Call((TextCommand.VERSION, ()), _text)


def pid() -> Call[int]:
    """Return the call for the server's process id."""
    return Call((TextCommand.GETPID, ()), _process_id)


def verbosity() -> Call[str]:
    """Return the call for the server's log level."""
    return Call((TextCommand.VERBOSE, ()), _text)


def cancel(handle: Handle | str) -> Call[None]:
    """Return the call that cancels a job."""
    return _order(TextCommand.CANCEL_JOB, str(handle))


def create_function(function: str) -> Call[None]:
    """Return the call that creates a function."""
    return _order(TextCommand.CREATE_FUNCTION, function)


def drop_function(function: str) -> Call[None]:
    """Return the call that removes a function."""
    return _order(TextCommand.DROP_FUNCTION, function)


def set_max_queue(function: str, limit: int, high: int | None, normal: int | None, low: int | None) -> Call[None]:
    """Return the call that limits the number of jobs of a function.

    Raises:
        ValueError: A limit is negative.
    """
    limits = [limit if own is None else own for own in (high, normal, low)]
    if min(limits) < 0:
        raise ValueError(f"{function}: a limit is a number of jobs, or 0 for no limit, not {min(limits)}")
    return _order(TextCommand.MAXQUEUE, function, *map(str, limits))


def shutdown(*, graceful: bool) -> Call[None]:
    """Return the call that stops the server."""
    return _order(TextCommand.SHUTDOWN, *(["graceful"] if graceful else []))


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
