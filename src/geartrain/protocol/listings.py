# SPDX-License-Identifier: MIT
"""Rows of the server's own listings: one class each, whose fields are the columns.

The server writes its lines in the order of the fields, and clients read them by the same fields; `gearadmin` has an
option for each. A new listing is a class here, its command in `geartrain.protocol.text`, and a method of the core's
snapshot that yields the values.
"""

from typing import Final, NamedTuple, TypeAlias

from geartrain.protocol.text import TextCommand

__all__ = ["LISTINGS", "ConnectionRow", "DelayedRow", "FunctionRow", "Listing", "ListingRow", "MetricRow"]


class FunctionRow(NamedTuple):
    """Jobs of a function, now and since the start of the server.

    Attributes:
        function: Its name.
        waiting: Jobs that wait for a worker.
        delayed: Jobs that wait for their time.
        running: Jobs that workers run.
        workers: Workers that can do the function.
        submitted: Jobs that were accepted.
        coalesced: Submissions that joined a job with the same unique.
        started: Attempts.
        completed: Jobs that ended with a result.
        failed: Jobs that ended with a failure.
        exceptions: Jobs that ended with an exception.
        timed_out: Attempts that took too long.
        lost: Attempts whose worker disconnected.
        cancelled: Jobs that an administrator cancelled.
        abandoned: Jobs whose clients all disconnected.
        revoked: Jobs that the store did not accept.
        wait_p50: Seconds that half of the jobs waited at most.
        wait_p95: The same of all but one in twenty.
        run_p50: Seconds that half of the attempts ran at most.
        run_p95: The same of all but one in twenty.
    """

    function: str
    waiting: int
    delayed: int
    running: int
    workers: int
    submitted: int
    coalesced: int
    started: int
    completed: int
    failed: int
    exceptions: int
    timed_out: int
    lost: int
    cancelled: int
    abandoned: int
    revoked: int
    wait_p50: float
    wait_p95: float
    run_p50: float
    run_p95: float


class MetricRow(NamedTuple):
    """A number that describes the whole server.

    Attributes:
        name: The metric.
        value: Its value now.
    """

    name: str
    value: int


class ConnectionRow(NamedTuple):
    """A connection.

    Attributes:
        descriptor: The server's number for it.
        address: The address of the peer.
        client_id: The id that the peer has set, or ``-``.
        state: Its sleep state: ``awake``, ``asleep``, ``polling``, ``woken``, ``resting``, ``pushed`` or
            ``unresponsive``.
        functions: Functions that it can do.
        running: Jobs that it runs.
        awaited: Jobs that it waits for.
        unread: Bytes that it has sent and the server has not handled.
        unsent: Bytes for it that have not been written to the connection.
    """

    descriptor: int
    address: str
    client_id: str
    state: str
    functions: int
    running: int
    awaited: int
    unread: int
    unsent: int


class DelayedRow(NamedTuple):
    """A job that waits for its time.

    Attributes:
        handle: Its handle.
        function: Its function.
        run_at: Seconds since 1970 before which it is not started, to the millisecond.
        unique: Its unique.
        priority: Its priority: ``high``, ``normal`` or ``low``.
    """

    handle: str
    function: str
    run_at: float
    unique: str
    priority: str


ListingRow: TypeAlias = FunctionRow | MetricRow | ConnectionRow | DelayedRow


class Listing(NamedTuple):
    """A listing: the class of its rows, and a short description for help texts."""

    row: type[ListingRow]
    help: str


LISTINGS: Final[dict[TextCommand, Listing]] = {
    TextCommand.SHOW_FUNCTIONS: Listing(
        FunctionRow, "functions with their jobs, now and since the start, times in seconds"
    ),
    TextCommand.SHOW_METRICS: Listing(MetricRow, "metrics of the server"),
    TextCommand.SHOW_CONNECTIONS: Listing(ConnectionRow, "all connections"),
    TextCommand.SHOW_DELAYED: Listing(DelayedRow, "delayed jobs, the earliest first, run_at in seconds since 1970"),
}
