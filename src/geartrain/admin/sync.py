# SPDX-License-Identifier: MIT
"""The blocking client for the text protocol. Its twin is `geartrain.admin.aio`."""

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

from geartrain.admin import calls
from geartrain.admin.calls import Call
from geartrain.admin.rows import FunctionStatus, JobRow, LimitRow, PriorityStatus, ScheduleRow, StallRow, WorkerStatus
from geartrain.admin.session import READ_SIZE, REPLY_TIMEOUT, AdminSession, Reply, Request
from geartrain.errors import ConnectionLost
from geartrain.names import token_bytes
from geartrain.transport import (
    CONNECT_TIMEOUT,
    KEEPALIVE,
    TLS,
    ServerAddress,
    check_seconds,
    client_context,
    connect,
    parse_servers,
)
from geartrain.transport.sockets import is_stale

__all__ = ["AdminClient"]

Value = TypeVar("Value")


class AdminClient:
    """Speaks with the console of one server: ours, or gearmand's, or Perl's or Java's as far as they know a command.

    It connects when it is first used, and anew after an error on the connection. Threads may share it; their calls take
    turns.

    ::

        with AdminClient("localhost") as admin:
            for row in admin.status():
                print(row.function, row.waiting)

    Args:
        server: An address; see `geartrain.transport.parse_servers`, of whose list it is the first.
        tls: Encrypts the connection.
        token: A secret by which a server with rules of access knows who may do what.
        timeout: Seconds for the replies to one call.
        connect_timeout: Seconds for connecting.
        keepalive: Seconds after which a dead path is noticed; ``None`` leaves that to the system.

    Raises:
        ValueError: The server is no address, or a time is out of range.
        LocalProtocolError: The token cannot travel.
    """

    def __init__(
        self,
        server: str | ServerAddress | None = None,
        *,
        tls: ssl.SSLContext | TLS | None = None,
        token: str | None = None,
        timeout: float = REPLY_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
    ) -> None:
        check_seconds(timeout=timeout, connect_timeout=connect_timeout, keepalive=keepalive)
        if token is not None:
            token_bytes(token)
        self.address = parse_servers(server)[0]
        self._tls = client_context(tls)
        self._token = token
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._turn = threading.Lock()
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
        with self._turn:
            self._hang_up()

    def status(self) -> list[FunctionStatus]:
        """Return the jobs and workers of each function."""
        return self._do(calls.status())

    def priority_status(self) -> list[PriorityStatus]:
        """Return the waiting jobs of each function by priority."""
        return self._do(calls.priority_status())

    def workers(self) -> list[WorkerStatus]:
        """Return all connections, this one included."""
        return self._do(calls.workers())

    def jobs(self) -> list[JobRow]:
        """Return all jobs in the server."""
        return self._do(calls.jobs())

    def unique_jobs(self) -> list[str]:
        """Return the uniques of all jobs in the server, empty ones included."""
        return self._do(calls.unique_jobs())

    def schedules(self) -> list[ScheduleRow]:
        """Return the jobs that repeat themselves; only our own server has any."""
        return self._do(calls.schedules())

    def stalls(self) -> list[StallRow]:
        """Return the functions whose jobs wait and are not taken; only our own server tells."""
        return self._do(calls.stalls())

    def limits(self) -> list[LimitRow]:
        """Return how often each limit has held something off; only our own server tells."""
        return self._do(calls.limits())

    def ping(self) -> float:
        """Return the seconds that the server took to answer, and before that to be connected to, if that had to be.

        It asks in text, for the version: a server that is full, or has no descriptors left, answers that as well.
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
        """Return how much the server logs, such as ``ERROR``."""
        return self._do(calls.verbosity())

    def cancel(self, handle: str) -> None:
        """Drop a job that waits; its clients are told that it failed.

        Raises:
            ServerError: There is no such job.
        """
        self._do(calls.cancel(handle))

    def create_function(self, function: str) -> None:
        """Make a function known before there is a worker or a job; one that is known already stays as it is."""
        self._do(calls.create_function(function))

    def drop_function(self, function: str) -> None:
        """Forget a function.

        Raises:
            ServerError: There is none of that name, or it has workers or running jobs.
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
        """Limit how many jobs a function may have; further ones of a priority are refused from its limit on.

        Args:
            limit: For all priorities that have none of their own; 0 means any number.
        """
        self._do(calls.set_max_queue(function, limit, high, normal, low))

    def shutdown(self, *, graceful: bool = False) -> None:
        """Have the server stop, if it allows that.

        Args:
            graceful: When it has no job left, rather than now.

        Raises:
            ServerError: It does not.
        """
        self._do(calls.shutdown(graceful=graceful))

    def exchange(self, requests: Sequence[Request]) -> list[Reply]:
        """Send several commands in one write, and return their replies; errors are among them and not raised.

        Raises:
            LocalProtocolError: A name cannot be written in the text protocol. Nothing has been sent.
            NoServerAvailable: The server could not be reached.
            ConnectionLost: The server went away. Those of the commands that change something may have been done.
            ReplyTimeout: It did not answer in time.
            RemoteProtocolError: It does not speak the text protocol.
            ServerError: It does not accept the token.
        """
        session = AdminSession(str(self.address))
        session.ask_all(requests)
        with self._turn:
            try:
                return self._converse(session, self._connected())
            except BaseException:
                # What is yet to come would be taken for the answer to the next question.
                self._hang_up()
                raise

    def _do(self, call: Call[Value]) -> Value:
        [reply] = self.exchange([call.request])
        return call.value_of(reply)

    def _converse(self, session: AdminSession, sock: socket.socket) -> list[Reply]:
        deadline = time.monotonic() + self._timeout
        replies: list[Reply] = []
        try:
            sock.settimeout(self._timeout)
            sock.sendall(session.take_outgoing())
            while session.awaited:
                left = deadline - time.monotonic()
                if left <= 0:  # also when there is always something to read
                    raise session.late(self._timeout)
                sock.settimeout(left)
                data = sock.recv(READ_SIZE)
                replies += session.receive(data)
        except TimeoutError as error:
            raise session.late(self._timeout) from error
        except ConnectionLost:
            raise
        except OSError as error:
            raise session.lost(error) from error
        return replies

    def _connected(self) -> socket.socket:
        if self._sock is not None and is_stale(self._sock):
            self._hang_up()
        if self._sock is None:
            self._sock = connect(self.address, tls=self._tls, timeout=self._connect_timeout, keepalive=self._keepalive)
            if self._token is not None:
                self._show_token(self._token, self._sock)
        return self._sock

    def _show_token(self, token: str, sock: socket.socket) -> None:
        session = AdminSession(str(self.address))
        session.ask_all([calls.show_token(token)])
        [reply] = self._converse(session, sock)
        calls.check_token(reply)

    def _hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
