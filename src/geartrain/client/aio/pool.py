# SPDX-License-Identifier: MIT
"""The connections of one asyncio client in one event loop.

Connecting happens in a task of its own for each server, which all tasks that need the connection wait for: a task that
is cancelled does not take it away from the others. When a connection is lost, jobs that may be sent again get a task as
well, as perhaps no task waits for them yet.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from geartrain.client.aio.connection import ClientConnection
from geartrain.client.aio.job import Question
from geartrain.client.inquiry import Inquiry
from geartrain.client.options import ClientOptions
from geartrain.client.placement import Pause, after_loss, fail_all, inquiries, placements
from geartrain.client.serverpool import ServerPool
from geartrain.client.session import Session
from geartrain.client.ticket import PlacedTicket, Ticket
from geartrain.errors import ConnectionLost, NoServerAvailable, ReplyTimeout
from geartrain.lazy import LazyLogger
from geartrain.records import Handle, JobStatus
from geartrain.transport import ServerAddress
from geartrain.transport.aio import connect

__all__ = ["ConnectionPool"]

logger = LazyLogger("geartrain.client")

_CLOSED = "the client was closed"
_SHORTEST_CONNECT = 0.01  # seconds for a connect after the deadline: a server on the same network needs less


class ConnectionPool:
    """The connections of a client in one event loop.

    Args:
        options: The client's options.
    """

    def __init__(self, options: ClientOptions[Any, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self._options = options
        self._servers = ServerPool(options.addresses, balance=options.balance, placement=options.placement)
        self._connections: dict[ServerAddress, ClientConnection] = {}
        self._connecting: dict[ServerAddress, asyncio.Task[ClientConnection | NoServerAvailable]] = {}
        self._placing: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Future[None] = self.loop.create_future()  # done once the client is closed
        self._closed = False

    def states(self) -> dict[ServerAddress, str]:
        """Return the state of each connection, for ``repr``."""
        return {address: connection.state for address, connection in list(self._connections.items())}

    # Submissions

    async def place(self, jobs: Sequence[PlacedTicket], *, until: float | None = None) -> None:
        """Send each job to the best server that accepts it; jobs that none accepts end with `NoServerAvailable`.

        Args:
            jobs: The jobs.
            until: The loop's time at which attempts to reach a server end.
        """
        if self._closed:
            fail_all(jobs, _CLOSED, ConnectionLost)
            return
        for attempt in placements(jobs, self._servers, self.loop.time, patience=self._options.patience, until=until):
            if isinstance(attempt, Pause):
                await self._rest(attempt)
                if self._closed:
                    fail_all(attempt.jobs, _CLOSED, ConnectionLost)
                    return
                continue
            try:
                await self._send(attempt.address, attempt.jobs, attempt.compose, until)
            except (ConnectionLost, NoServerAvailable) as error:
                attempt.error = error

    def forget(self, ticket: Ticket, handle: Handle | None) -> None:
        """Drop all later events of a ticket; see `Session.forget`."""
        for connection in list(self._connections.values()):
            connection.forget(ticket, handle)

    async def cancel(self, handle: Handle) -> None:
        """Cancel a job."""
        from geartrain.admin.aio import AsyncAdminClient  # here alone, as few clients need it

        async with AsyncAdminClient(handle.server, **self._options.for_admin()) as admin:
            await admin.cancel(handle)

    async def _rest(self, pause: Pause[Any]) -> None:
        """Wait until a server may be back, or until the client is closed."""
        if self._options.on_wait is not None:
            self._options.on_wait(pause.error)
        await asyncio.wait([self._closing], timeout=pause.seconds)

    # Inquiries

    async def ask(self, inquiry: Inquiry) -> AsyncGenerator[JobStatus | bytes, None]:
        """Ask the inquiry's server, or all of them, the best first, and yield the answers as they come.

        Raises:
            ReplyTimeout: There was no answer in time.
            ServerError: The answer was an error.
            NoServerAvailable: No server can be reached.
            ConnectionLost: The connection was lost.
        """
        ranked = self._servers.ranked(b"", self.loop.time())
        asked = [address for address in ranked if str(address) == inquiry.server] or ranked
        for attempt in inquiries(asked, self._servers, self.loop.time, self._options.patience):
            if isinstance(attempt, Pause):
                await self._rest(attempt)
                self._check_open()
                continue
            try:
                yield await self._ask(attempt.address, inquiry)
            except (ConnectionLost, NoServerAvailable, ReplyTimeout) as error:
                attempt.error = error

    async def _ask(self, address: ServerAddress, inquiry: Inquiry) -> JobStatus | bytes:
        question = Question(self)
        try:
            await self._send(address, [question], lambda session: inquiry.compose(session, question))
            return await question.result(self._options.reply_timeout)
        finally:
            question.abandon()

    # Connections

    async def _send(
        self,
        address: ServerAddress,
        tickets: Sequence[Ticket],
        compose: Callable[[Session[Ticket]], bytes],
        until: float | None = None,
    ) -> None:
        connection = await self._connection(address, until)
        await connection.send(compose, tickets, until=until)

    async def _connection(self, address: ServerAddress, until: float | None) -> ClientConnection:
        connection = self._connections.get(address)
        if connection is not None and connection.loss is None:
            return connection
        self._check_open()
        connecting = self._connecting.get(address)
        if connecting is None:
            connecting = self._connecting[address] = asyncio.create_task(self._connect(address))
        timeout = None if until is None else max(until - self.loop.time(), _SHORTEST_CONNECT)
        await asyncio.wait([connecting], timeout=timeout)
        if not connecting.done():
            raise NoServerAvailable(f"{address}: no answer in time")
        self._check_open()
        connected = connecting.result()
        if isinstance(connected, NoServerAvailable):
            raise NoServerAvailable(str(connected)) from connected
        return connected

    async def _connect(self, address: ServerAddress) -> ClientConnection | NoServerAvailable:
        options = self._options
        try:
            _, connection = await connect(
                lambda: ClientConnection(address, options.reply_timeout, self._servers.answered, self._lost),
                address,
                tls=options.tls,
                timeout=options.connect_timeout,
                keepalive=options.keepalive,
            )
        except NoServerAvailable as error:
            self._servers.failed(address, self.loop.time(), error)
            return error
        finally:
            del self._connecting[address]
        if connection.loss is None:
            connection.send_now(lambda session: session.greet(options.client_id, options.token))
            self._connections[address] = connection
            self._servers.reached(address)
        return connection

    def _lost(self, connection: ClientConnection) -> None:
        """Pass the loss of a connection to its tickets."""
        loss = str(connection.loss)
        if self._connections.get(connection.address) is connection:
            del self._connections[connection.address]
        if not self._closed:
            self._servers.failed(connection.address, self.loop.time(), loss)
        again = after_loss(connection.abandon(), loss, final=self._closed)
        if again:
            placing = self.loop.create_task(self._place_again(again))
            self._placing.add(placing)
            placing.add_done_callback(self._placing.discard)

    async def _place_again(self, jobs: Sequence[PlacedTicket]) -> None:
        try:
            await self.place(jobs)
        except Exception as error:
            logger.exception("jobs of a lost connection could not be sent again")
            fail_all(jobs, f"the job could not be sent again: {error!r}", ConnectionLost)
        except asyncio.CancelledError:
            fail_all(jobs, _CLOSED, ConnectionLost)
            raise

    # Life cycle

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionLost(_CLOSED)

    def close(self) -> list[ClientConnection]:
        """End all waits; return the connections, whose transports may need another turn of the loop."""
        self._closed = True
        if not self._closing.done():
            self._closing.set_result(None)
        for task in [*self._connecting.values(), *self._placing]:
            task.cancel()
        connections = list(self._connections.values())
        for connection in connections:
            connection.lose(ConnectionLost(_CLOSED))
        return connections

    async def join(self, connections: Sequence[ClientConnection]) -> None:
        """Wait until `close` has taken effect."""
        tasks = [*self._connecting.values(), *self._placing]
        if tasks:
            await asyncio.wait(tasks)
        for connection in connections:
            await connection.wait_closed()
