# SPDX-License-Identifier: MIT
"""The asyncio client for the text protocol. Its twin is `geartrain.admin.sync`."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

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
    parse_servers,
)
from geartrain.transport.aio import open_streams
from geartrain.transport.sockets import is_stale

__all__ = ["AsyncAdminClient"]

Value = TypeVar("Value")
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AsyncAdminClient:
    """Speaks with the console of one server, as `geartrain.AdminClient` does, for programs with an event loop.

    Tasks may share it; their calls take turns. A call that is cancelled costs the connection, which the next call opens
    anew; what it asked for may have been done.

    ::

        async with AsyncAdminClient("localhost") as admin:
            for row in await admin.status():
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
        self._turn = asyncio.Lock()
        self._streams: Streams | None = None

    def __repr__(self) -> str:
        return f"<AsyncAdminClient of {self.address}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        async with self._turn:
            self._hang_up()

    async def status(self) -> list[FunctionStatus]:
        """Return the jobs and workers of each function."""
        return await self._do(calls.status())

    async def priority_status(self) -> list[PriorityStatus]:
        """Return the waiting jobs of each function by priority."""
        return await self._do(calls.priority_status())

    async def workers(self) -> list[WorkerStatus]:
        """Return all connections, this one included."""
        return await self._do(calls.workers())

    async def jobs(self) -> list[JobRow]:
        """Return all jobs in the server."""
        return await self._do(calls.jobs())

    async def unique_jobs(self) -> list[str]:
        """Return the uniques of all jobs in the server, empty ones included."""
        return await self._do(calls.unique_jobs())

    async def schedules(self) -> list[ScheduleRow]:
        """Return the jobs that repeat themselves; only our own server has any."""
        return await self._do(calls.schedules())

    async def stalls(self) -> list[StallRow]:
        """Return the functions whose jobs wait and are not taken; only our own server tells."""
        return await self._do(calls.stalls())

    async def limits(self) -> list[LimitRow]:
        """Return how often each limit has held something off; only our own server tells."""
        return await self._do(calls.limits())

    async def ping(self) -> float:
        """Return the seconds that the server took to answer, and before that to be connected to, if that had to be.

        It asks in text, for the version: a server that is full, or has no descriptors left, answers that as well.
        """
        began = time.monotonic()
        await self.version()
        return time.monotonic() - began

    async def version(self) -> str:
        """Return the server's version."""
        return await self._do(calls.version())

    async def pid(self) -> int:
        """Return the server's process id."""
        return await self._do(calls.pid())

    async def verbosity(self) -> str:
        """Return how much the server logs, such as ``ERROR``."""
        return await self._do(calls.verbosity())

    async def cancel(self, handle: str) -> None:
        """Drop a job that waits; its clients are told that it failed.

        Raises:
            ServerError: There is no such job.
        """
        await self._do(calls.cancel(handle))

    async def create_function(self, function: str) -> None:
        """Make a function known before there is a worker or a job; one that is known already stays as it is."""
        await self._do(calls.create_function(function))

    async def drop_function(self, function: str) -> None:
        """Forget a function.

        Raises:
            ServerError: There is none of that name, or it has workers or running jobs.
        """
        await self._do(calls.drop_function(function))

    async def set_max_queue(
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
        await self._do(calls.set_max_queue(function, limit, high, normal, low))

    async def shutdown(self, *, graceful: bool = False) -> None:
        """Have the server stop, if it allows that.

        Args:
            graceful: When it has no job left, rather than now.

        Raises:
            ServerError: It does not.
        """
        await self._do(calls.shutdown(graceful=graceful))

    async def exchange(self, requests: Sequence[Request]) -> list[Reply]:
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
        async with self._turn:
            try:
                return await self._converse(session, await self._connected())
            except BaseException:
                # What is yet to come would be taken for the answer to the next question.
                self._hang_up()
                raise

    async def _do(self, call: Call[Value]) -> Value:
        [reply] = await self.exchange([call.request])
        return call.value_of(reply)

    async def _converse(self, session: AdminSession, streams: Streams) -> list[Reply]:
        reader, writer = streams
        replies: list[Reply] = []
        try:
            async with asyncio.timeout(self._timeout):
                writer.write(session.take_outgoing())
                await writer.drain()
                while session.awaited:
                    data = await reader.read(READ_SIZE)
                    replies += session.receive(data)
        except TimeoutError as error:
            raise session.late(self._timeout) from error
        except ConnectionLost:
            raise
        except OSError as error:
            raise session.lost(error) from error
        return replies

    async def _connected(self) -> Streams:
        if self._streams is not None and _is_stale(*self._streams):
            self._hang_up()
        if self._streams is None:
            self._streams = await open_streams(
                self.address, tls=self._tls, timeout=self._connect_timeout, keepalive=self._keepalive
            )
            if self._token is not None:
                await self._show_token(self._token, self._streams)
        return self._streams

    async def _show_token(self, token: str, streams: Streams) -> None:
        session = AdminSession(str(self.address))
        session.ask_all([calls.show_token(token)])
        [reply] = await self._converse(session, streams)
        calls.check_token(reply)

    def _hang_up(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            writer.transport.abort()  # without waiting for a server that may not listen
            self._streams = None


def _is_stale(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Tell whether the server has closed the connection since, perhaps without the loop having looked yet."""
    return writer.is_closing() or reader.at_eof() or is_stale(writer.get_extra_info("socket"))
