# SPDX-License-Identifier: MIT
"""The blocking admin client. Its twin is `geartrain.admin.aio`."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

from geartrain.admin import calls
from geartrain.admin.anyadmin import AnyAdminClient
from geartrain.admin.calls import Call, RowT
from geartrain.admin.connection import TextConnection
from geartrain.admin.rows import FunctionStatus, JobRow, LimitRow, PriorityStatus, ScheduleRow, StallRow, WorkerStatus
from geartrain.admin.session import Reply, Request
from geartrain.records import Handle

__all__ = ["AdminClient"]

Value = TypeVar("Value")


class AdminClient(AnyAdminClient):
    """A client of the text protocol of one server.

    The server may be Geartrain's or gearmand's, or Perl's or Java's for the commands that they know. The client
    connects when it is first used, and again after an error on the connection. Threads may share it; their calls take
    turns.

    ::

        with AdminClient("localhost") as admin:
            for row in admin.status():
                print(row.function, row.waiting)

    Args:
        server: An address; see `geartrain.transport.parse_servers`. The first one of a list is used.
        tls: Encrypts the connection.
        token: A secret by which a server with access rules identifies the client.
        timeout: Seconds for the replies to one call.
        connect_timeout: Seconds for connecting.
        keepalive: Seconds after which a dead connection is detected; ``None`` leaves that to the system.

    Raises:
        ValueError: The server is not an address, or a time is out of range.
        LocalProtocolError: The token is not allowed by the protocol.
    """

    def _set_up(self) -> None:
        self._turn = threading.Lock()
        self._connection = TextConnection(
            self.address,
            tls=self._tls,
            token=self._token,
            timeout=self._timeout,
            connect_timeout=self._connect_timeout,
            keepalive=self._keepalive,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._turn:
            self._connection.close()

    def status(self) -> list[FunctionStatus]:
        """Return the number of jobs and workers of each function."""
        return self._do(calls.status())

    def priority_status(self) -> list[PriorityStatus]:
        """Return the number of waiting jobs of each function by priority."""
        return self._do(calls.priority_status())

    def workers(self) -> list[WorkerStatus]:
        """Return all connections, including this one."""
        return self._do(calls.workers())

    def jobs(self) -> list[JobRow]:
        """Return all jobs of the server."""
        return self._do(calls.jobs())

    def unique_jobs(self) -> list[str]:
        """Return the uniques of all jobs of the server, including empty ones."""
        return self._do(calls.unique_jobs())

    def schedules(self) -> list[ScheduleRow]:
        """Return the cron jobs; only Geartrain's server has any."""
        return self._do(calls.schedules())

    def stalls(self) -> list[StallRow]:
        """Return the functions whose jobs have waited too long; works only with Geartrain's server."""
        return self._do(calls.stalls())

    def limits(self) -> list[LimitRow]:
        """Return the number of rejections by each limit; works only with Geartrain's server."""
        return self._do(calls.limits())

    def show(self, row: type[RowT]) -> list[RowT]:
        """Return the rows of a listing of Geartrain's server.

        Args:
            row: The class of the rows, such as `FunctionRow`; the classes are in `geartrain.protocol.listings`.

        Raises:
            ValueError: No listing has rows of this class.
        """
        return self._do(calls.show(row))

    def ping(self) -> float:
        """Return the seconds until the server's answer, including the time to connect if that was necessary.

        It asks for the version in the text protocol, which even a server at its connection limit answers.
        """
        began = time.monotonic()
        self.version()
        return time.monotonic() - began

    def version(self) -> str:
        """Return the server's version."""
        return self._do(calls.version())

    def pid(self) -> int:
        """Return the server's process id."""
        return self._do(calls.pid())

    def verbosity(self) -> str:
        """Return the server's log level, such as ``ERROR``."""
        return self._do(calls.verbosity())

    def cancel(self, handle: Handle | str) -> None:
        """Cancel a job; its clients get WORK_FAIL.

        A waiting job will not run. If a worker runs the job already, the server does not interrupt it, and drops its
        results.

        Args:
            handle: The job's handle.

        Raises:
            ServerError: The server has no such job.
        """
        self._do(calls.cancel(handle))

    def create_function(self, function: str) -> None:
        """Create a function before it has a worker or a job; an existing one does not change."""
        self._do(calls.create_function(function))

    def drop_function(self, function: str) -> None:
        """Remove a function.

        Raises:
            ServerError: The server has no function of that name, or it has workers or running jobs.
        """
        self._do(calls.drop_function(function))

    def set_max_queue(
        self,
        function: str,
        limit: int = 0,
        *,
        high: int | None = None,
        normal: int | None = None,
        low: int | None = None,
    ) -> None:
        """Limit the number of jobs of a function; the server rejects further ones of a priority at its limit.

        Args:
            function: The function.
            limit: The limit of all priorities that have none of their own; 0 for no limit.
            high: The limit of the high priority.
            normal: The limit of the normal priority.
            low: The limit of the low priority.
        """
        self._do(calls.set_max_queue(function, limit, high, normal, low))

    def shutdown(self, *, graceful: bool = False) -> None:
        """Stop the server.

        Args:
            graceful: True to wait for running jobs.

        Raises:
            ServerError: The server does not allow it.
        """
        self._do(calls.shutdown(graceful=graceful))

    def exchange(self, requests: Sequence[Request]) -> list[Reply]:
        """Send several commands in one write, and return their replies; error replies are returned too.

        Raises:
            LocalProtocolError: The text protocol has no form for a name. Nothing was sent.
            NoServerAvailable: The server could not be reached.
            ConnectionLost: The connection was lost. Commands that change something may have taken effect.
            ReplyTimeout: The server did not answer in time.
            RemoteProtocolError: The server does not speak the text protocol.
            ServerError: The server does not accept the token.
        """
        with self._turn:
            return self._connection.exchange(requests)

    def _do(self, call: Call[Value]) -> Value:
        [reply] = self.exchange([call.request])
        return call.value_of(reply)
