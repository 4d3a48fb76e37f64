# SPDX-License-Identifier: MIT
"""The asyncio admin client. Its twin is `geartrain.admin.sync`."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from geartrain.admin import calls
from geartrain.admin.anyadmin import AnyAdminClient
from geartrain.admin.calls import Call, RowT
from geartrain.admin.rows import FunctionStatus, JobRow, LimitRow, PriorityStatus, ScheduleRow, StallRow, WorkerStatus
from geartrain.admin.session import READ_SIZE, AdminSession, Reply, Request, check_token, show_token
from geartrain.errors import ConnectionLost
from geartrain.records import Handle
from geartrain.transport.aio import open_streams
from geartrain.transport.sockets import is_stale

__all__ = ["AsyncAdminClient"]

Value = TypeVar("Value")
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AsyncAdminClient(AnyAdminClient):
    """A client of the text protocol of one server, for programs with an event loop.

    See `AdminClient`. Tasks may share it; their calls take turns. If a call is cancelled, its connection is closed and
    the next call opens another; the command of the cancelled call may have taken effect.

    ::

        async with AsyncAdminClient("localhost") as admin:
            for row in await admin.status():
                print(row.function, row.waiting)
    """

    def _set_up(self) -> None:
        self._turn = asyncio.Lock()
        self._streams: Streams | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; the next call opens another."""
        async with self._turn:
            self._disconnect()

    async def status(self) -> list[FunctionStatus]:
        """Return the number of jobs and workers of each function."""
        return await self._do(calls.status())

    async def priority_status(self) -> list[PriorityStatus]:
        """Return the number of waiting jobs of each function by priority."""
        return await self._do(calls.priority_status())

    async def workers(self) -> list[WorkerStatus]:
        """Return all connections, including this one."""
        return await self._do(calls.workers())

    async def jobs(self) -> list[JobRow]:
        """Return all jobs of the server."""
        return await self._do(calls.jobs())

    async def unique_jobs(self) -> list[str]:
        """Return the uniques of all jobs of the server, including empty ones."""
        return await self._do(calls.unique_jobs())

    async def schedules(self) -> list[ScheduleRow]:
        """Return the cron jobs; only Geartrain's server has any."""
        return await self._do(calls.schedules())

    async def stalls(self) -> list[StallRow]:
        """Return the functions whose jobs have waited too long; works only with Geartrain's server."""
        return await self._do(calls.stalls())

    async def limits(self) -> list[LimitRow]:
        """Return the number of rejections by each limit; works only with Geartrain's server."""
        return await self._do(calls.limits())

    async def show(self, row: type[RowT]) -> list[RowT]:
        """Return the rows of a listing of Geartrain's server.

        See `AdminClient.show`.
        """
        return await self._do(calls.show(row))

    async def ping(self) -> float:
        """Return the seconds until the server's answer, including the time to connect if that was necessary.

        See `AdminClient.ping`.
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
        """Return the server's log level, such as ``ERROR``."""
        return await self._do(calls.verbosity())

    async def cancel(self, handle: Handle | str) -> None:
        """Cancel a job; its clients get WORK_FAIL.

        See `AdminClient.cancel`.
        """
        await self._do(calls.cancel(handle))

    async def create_function(self, function: str) -> None:
        """Create a function before it has a worker or a job; an existing one does not change."""
        await self._do(calls.create_function(function))

    async def drop_function(self, function: str) -> None:
        """Remove a function.

        See `AdminClient.drop_function`.
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
        """Limit the number of jobs of a function; the server rejects further ones of a priority at its limit.

        See `AdminClient.set_max_queue`.
        """
        await self._do(calls.set_max_queue(function, limit, high, normal, low))

    async def shutdown(self, *, graceful: bool = False) -> None:
        """Stop the server.

        See `AdminClient.shutdown`.
        """
        await self._do(calls.shutdown(graceful=graceful))

    async def exchange(self, requests: Sequence[Request]) -> list[Reply]:
        """Send several commands in one write, and return their replies; error replies are returned too.

        See `AdminClient.exchange`.
        """
        session = self._session(requests)
        async with self._turn:
            try:
                return await self._converse(session, await self._connected())
            except BaseException:
                # Replies that are still to come would be taken for those of the next call.
                self._disconnect()
                raise

    async def _do(self, call: Call[Value]) -> Value:
        [reply] = await self.exchange([call.request])
        return call.value_of(reply)

    def _session(self, requests: Sequence[Request]) -> AdminSession:
        session = AdminSession(str(self.address))
        session.ask_all(requests)
        return session

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
            self._disconnect()
        if self._streams is None:
            self._streams = await open_streams(
                self.address, tls=self._tls, timeout=self._connect_timeout, keepalive=self._keepalive
            )
            if self._token is not None:
                check_token(*await self._converse(self._session([show_token(self._token)]), self._streams))
        return self._streams

    def _disconnect(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            writer.transport.abort()  # without a wait for a server that may not respond
            self._streams = None


def _is_stale(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Return True if the server has closed the connection, even if the loop has not processed that yet."""
    return writer.is_closing() or reader.at_eof() or is_stale(writer.get_extra_info("socket"))
