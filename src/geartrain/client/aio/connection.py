# SPDX-License-Identifier: MIT
"""A server's transport and session, shared by the tasks of an asyncio client.

The bytes that tasks send in one turn of the loop leave in one write. While the server is slow, tasks that want to send
more wait.

An exception from a signal handler ends the loop between two instructions, perhaps while a session changes. A flag that
is set before and cleared after shows that to the next task that uses the connection, which gives it up.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable, RemoteProtocolError
from geartrain.lazy import LazyLogger
from geartrain.records import Handle
from geartrain.transport import ServerAddress
from geartrain.wording import counted

__all__ = ["MAX_UNSENT", "ClientConnection"]

logger = LazyLogger("geartrain.client")

# Bytes waiting for a slow server, above which tasks that want to send more wait: enough to use any network fully, and
# little memory for each server.
MAX_UNSENT = 4 * 1024 * 1024

# Bytes that wait for the end of the loop's turn, above which tasks wait for the next one: a task that submits without
# end must let the loop receive.
_MAX_COLLECTED = 64 * 1024

_LONGEST_WAIT = 60.0  # seconds between two checks for a server that does not answer


class ClientConnection(asyncio.Protocol):
    """A connection to a server.

    Args:
        address: The server's address.
        reply_timeout: Seconds without a byte sent or received until a connection that waits for an answer is closed.
        answered: Called when the server sends its first byte.
        lost: Called with the connection once it cannot be used any more.

    Attributes:
        address: The server's address.
        loss: The reason why the connection cannot be used any more, or ``None``.
    """

    def __init__(
        self,
        address: ServerAddress,
        reply_timeout: float,
        answered: Callable[[ServerAddress], None],
        lost: Callable[["ClientConnection"], None],
    ) -> None:
        self.address = address
        self.loss: GeartrainError | None = None
        self._reply_timeout = reply_timeout
        self._answered = answered
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._session: Session[Ticket] = Session(str(address), self._loop.time)
        self._tickets: dict[Ticket, None] = {}  # those that wait for the session
        self._is_changing = False  # session, tickets and bytes do not agree
        self._transport: asyncio.Transport | None = None
        self._closed = self._loop.create_future()
        self._collected: list[bytes] = []
        self._collected_size = 0
        self._unsent_size = 0  # at the last check
        self._room = asyncio.Event()
        self._room.set()
        self._next_check: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<ClientConnection {self.address}: {self.loss or self.state}>"

    @property
    def state(self) -> str:
        """The state in a few words."""
        buffered = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return f"{self._session.state}, {counted(self._collected_size + buffered, 'byte')} unsent"

    # For any task

    async def send(
        self,
        compose: Callable[[Session[Ticket]], bytes],
        tickets: Sequence[Ticket] = (),
        *,
        until: float | None = None,
    ) -> None:
        """Send the bytes that ``compose`` returns.

        A task that is cancelled in here has sent nothing.

        Args:
            compose: Called with the session.
            tickets: The tickets that it passes to the session.
            until: The loop's time at which the wait for a slow server ends.

        Raises:
            ConnectionLost: The connection is lost; nothing was sent.
            NoServerAvailable: The server accepted too few bytes for too long; nothing was sent.
        """
        while self.loss is None and (self._collected_size > _MAX_COLLECTED or not self._room.is_set()):
            await (asyncio.sleep(0) if self._room.is_set() else self._wait_for_room(until))
        self.send_now(compose, tickets)

    async def _wait_for_room(self, until: float | None) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._room.wait()
        except TimeoutError:
            raise NoServerAvailable(f"{self.address} did not read the earlier data in time") from None

    def send_now(self, compose: Callable[[Session[Ticket]], bytes], tickets: Sequence[Ticket] = ()) -> None:
        """Send bytes as `send` does, without a wait."""
        self._check_interrupted()
        if self.loss is not None:
            raise ConnectionLost(str(self.loss))
        self._is_changing = True
        for ticket in tickets:
            self._tickets[ticket] = None
        data = compose(self._session)
        if not self._collected:
            self._loop.call_soon(self._flush)
        self._collected.append(data)
        self._collected_size += len(data)
        self._is_changing = False

    def forget(self, ticket: Ticket, handle: Handle | None) -> None:
        """Drop all later events of a ticket."""
        self._check_interrupted()
        self._is_changing = True
        self._session.forget(ticket, handle)
        self._tickets.pop(ticket, None)
        self._is_changing = False

    def lose(self, loss: GeartrainError) -> None:
        """Mark the connection as lost, and close it."""
        if self.loss is None:
            self.loss = loss
            self._collected.clear()
            self._collected_size = 0
            self._room.set()
            if self._next_check is not None:
                self._next_check.cancel()
            if self._transport is not None:
                self._transport.abort()
            self._lost(self)

    def abandon(self) -> list[tuple[Ticket, bool]]:
        """Return the tickets of a lost connection, each with True if the server may have accepted its job."""
        waiting = dict(self._session.abandon())
        for ticket in self._tickets:
            waiting.setdefault(ticket, True)  # the session no longer had it when the loop was interrupted
        self._tickets.clear()
        return list(waiting.items())

    async def wait_closed(self) -> None:
        """Wait until the transport has closed its socket."""
        await asyncio.wait([self._closed])

    # For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._transport.set_write_buffer_limits(high=MAX_UNSENT)
        self._check_silence()

    def data_received(self, data: bytes) -> None:
        self._check_interrupted()
        if self.loss is not None:
            return
        self._is_changing = True
        try:
            if not self._session.has_heard:
                self._answered(self.address)
            for ticket, event in self._session.receive(data):
                ticket.take(event)
                if ticket.done():
                    self._tickets.pop(ticket, None)  # last: until then the loss of the connection ends it as well
        except RemoteProtocolError as error:
            self.lose(error)
        except Exception as error:  # a bug: the connection is lost, but no caller may wait for ever
            logger.exception("giving up the connection to %s after an unexpected error", self.address)
            self.lose(ConnectionLost(f"the client gave up {self.address} after an unexpected {error!r}"))
        self._is_changing = False

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)
        reason = getattr(exc, "strerror", None) or exc
        lost = f"the connection to {self.address} was lost: {reason}"
        self.lose(ConnectionLost(lost if exc else f"{self.address} closed the connection"))

    def _flush(self) -> None:
        self._check_interrupted()
        if self._collected and self._transport is not None:
            self._is_changing = True
            data = b"".join(self._collected)
            self._collected.clear()
            self._collected_size = 0
            self._transport.write(data)
            self._is_changing = False

    def _check_interrupted(self) -> None:
        if self._is_changing and self.loss is None:
            self.lose(ConnectionLost(f"the event loop was interrupted while it used the connection to {self.address}"))

    def _check_silence(self) -> None:
        assert self._transport is not None, "it is connected"
        self._check_interrupted()
        if self.loss is not None:
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent_size:
            self._session.sent()
        self._unsent_size = unsent
        if self._session.is_silent(self._reply_timeout):
            self.lose(ConnectionLost(f"{self.address} has not answered for {counted(self._reply_timeout, 'second')}"))
        else:
            # A quarter is the precision of the timeout.
            self._next_check = self._loop.call_later(min(self._reply_timeout / 4, _LONGEST_WAIT), self._check_silence)
