# SPDX-License-Identifier: MIT
"""The blocking client for the text protocol."""

import socket
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from geartrain.admin.rows import FunctionStatus, JobRow, PriorityStatus, WorkerStatus
from geartrain.admin.session import AdminSession, Reply, to_text, to_wire
from geartrain.errors import ConnectionLost, RemoteProtocolError, ReplyTimeout
from geartrain.protocol.text import TextCommand
from geartrain.transport import TLS, ServerAddress, client_context, connect, parse_servers
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE

__all__ = ["REPLY_TIMEOUT", "AdminClient"]

REPLY_TIMEOUT = 30.0  # seconds: a listing of a million jobs takes a while
READ_SIZE = 256 * 1024  # bytes taken from the socket at once


class AdminClient:
    """Speaks with the console of one server: ours, or gearmand's, or Perl's or Java's as far as they know a command.

    It connects when it is first used, and anew after an error on the connection. It is not to be shared by threads.

    ::

        with AdminClient("localhost") as admin:
            for row in admin.status():
                print(row.function, row.waiting)

    Args:
        server: An address; see `geartrain.transport.parse_servers`, of whose list it is the first.
        tls: Encrypts the connection.
        timeout: Seconds for the replies to one call.

    Raises:
        ValueError: The server is no address.
    """

    def __init__(
        self,
        server: str | ServerAddress | None = None,
        *,
        tls: ssl.SSLContext | TLS | None = None,
        timeout: float = REPLY_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
    ) -> None:
        self.address = parse_servers(server)[0]
        self._tls = client_context(tls)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._sock: socket.socket | None = None

    def __repr__(self) -> str:
        return f"<AdminClient of {self.address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def status(self) -> list[FunctionStatus]:
        """Return the jobs and workers of each function."""
        return [FunctionStatus.parse(row) for row in self._ask(TextCommand.STATUS).lines]

    def priority_status(self) -> list[PriorityStatus]:
        """Return the waiting jobs of each function by priority."""
        return [PriorityStatus.parse(row) for row in self._ask(TextCommand.PRIORITY_STATUS).lines]

    def workers(self) -> list[WorkerStatus]:
        """Return all connections, this one included."""
        return [WorkerStatus.parse(row) for row in self._ask(TextCommand.WORKERS).lines]

    def jobs(self) -> list[JobRow]:
        """Return all jobs in the server."""
        return [JobRow.parse(row) for row in self._ask(TextCommand.SHOW_JOBS).lines]

    def unique_jobs(self) -> list[str]:
        """Return the uniques of all jobs in the server, empty ones included."""
        return [to_text(row) for row in self._ask(TextCommand.SHOW_UNIQUE_JOBS).lines]

    def version(self) -> str:
        """Return the server's version."""
        return to_text(self._ask(TextCommand.VERSION).value)

    def pid(self) -> int:
        """Return the server's process id."""
        value = self._ask(TextCommand.GETPID).value
        if not value.isdigit():
            raise RemoteProtocolError(f"a process id was expected, not {value!r}")
        return int(value)

    def verbosity(self) -> str:
        """Return how much the server logs, such as ``ERROR``."""
        return to_text(self._ask(TextCommand.VERBOSE).value)

    def cancel(self, handle: str) -> None:
        """Drop a job that waits; its clients are told that it failed.

        Raises:
            ServerError: There is no such job.
        """
        self._ask(TextCommand.CANCEL_JOB, handle)

    def create_function(self, function: str) -> None:
        """Make a function known before there is a worker or a job; one that is known already stays as it is."""
        self._ask(TextCommand.CREATE_FUNCTION, function)

    def drop_function(self, function: str) -> None:
        """Forget a function.

        Raises:
            ServerError: There is none of that name, or it has workers or running jobs.
        """
        self._ask(TextCommand.DROP_FUNCTION, function)

    def set_max_queue(
        self,
        function: str,
        limit: int = 0,
        *,
        high: int | None = None,
        normal: int | None = None,
        low: int | None = None,
    ) -> None:
        """Limit how many jobs a function may have; further ones of a priority are refused from its limit on.

        Args:
            limit: For all priorities that have none of their own; 0 means any number.
        """
        limits = [limit if own is None else own for own in (high, normal, low)]
        if min(limits) < 0:
            raise ValueError(f"{function}: a limit is a number of jobs, or 0 for any number, not {min(limits)}")
        self._ask(TextCommand.MAXQUEUE, function, *map(str, limits))

    def shutdown(self, *, graceful: bool = False) -> None:
        """Have the server stop, if it allows that.

        Args:
            graceful: When it has no job left, rather than now.

        Raises:
            ServerError: It does not.
        """
        self._ask(TextCommand.SHUTDOWN, *(["graceful"] if graceful else []))

    def exchange(self, requests: Sequence[tuple[TextCommand, Sequence[str]]]) -> list[Reply]:
        """Send several commands in one write, and return their replies; errors are among them and not raised.

        Raises:
            LocalProtocolError: A name cannot be written in the text protocol. Nothing has been sent.
            NoServerAvailable: The server could not be reached.
            ConnectionLost: The server went away. Those of the commands that change something may have been done.
            ReplyTimeout: It did not answer in time.
            RemoteProtocolError: It does not speak the text protocol.
        """
        session = AdminSession()
        for command, arguments in requests:
            session.ask(command, *map(to_wire, arguments))
        try:
            return self._converse(session)
        except BaseException:
            # What is yet to come would be taken for the answer to the next question.
            self.close()
            raise

    def _ask(self, command: TextCommand, *arguments: str) -> Reply:
        return self.exchange([(command, arguments)])[0].checked()

    def _converse(self, session: AdminSession) -> list[Reply]:
        sock = self._connected()
        deadline = time.monotonic() + self._timeout
        replies: list[Reply] = []
        try:
            sock.settimeout(self._timeout)
            sock.sendall(session.take_outgoing())
            while session.awaited:
                sock.settimeout(max(deadline - time.monotonic(), 0.001))
                data = sock.recv(READ_SIZE)
                if not data:
                    raise ConnectionLost(f"{self.address} closed the connection before it had answered")
                replies += session.receive(data)
        except TimeoutError as error:
            raise ReplyTimeout(f"{self.address} did not answer within {self._timeout:g} seconds") from error
        except OSError as error:
            if isinstance(error, ConnectionLost):
                raise
            raise ConnectionLost(f"{self.address}: {error.strerror or error}") from error
        return replies

    def _connected(self) -> socket.socket:
        if self._sock is None:
            self._sock = connect(self.address, tls=self._tls, timeout=self._connect_timeout, keepalive=self._keepalive)
        return self._sock
