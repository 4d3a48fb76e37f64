# SPDX-License-Identifier: MIT
"""One server's transport and session, shared by the tasks of an asyncio client.

What tasks send in one turn of the loop leaves in one write. When the server is slow, those that want to send more are
made to wait.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable, RemoteProtocolError
from geartrain.records import Handle
from geartrain.transport import ServerAddress

__all__ = ["MAX_UNSENT", "Connection"]

logger = logging.getLogger("geartrain.client")

# Bytes waiting for a slow server, above which tasks that want to send more are made to wait: enough to keep any
# network busy, little enough to have for each server.
MAX_UNSENT = 4 * 1024 * 1024

# Bytes that wait for the end of the loop's turn, above which tasks wait for the next one: a task that submits without
# end must let the loop read, too.
_MAX_COLLECTED = 64 * 1024

_LONGEST_SLEEP = 60.0  # seconds between two looks at a silent server


class Connection(asyncio.Protocol):
    """A connected server.

    Args:
        address: The server's address.
        patience: Seconds that the server may owe an answer without a byte moving either way.
        answered: Called when the server says something for the first time.
        lost: Called with the connection once it cannot be used any more.

    Attributes:
        loss: Why the connection cannot be used any more, or ``None``.
    """

    def __init__(
        self,
        address: ServerAddress,
        patience: float,
        answered: Callable[[ServerAddress], None],
        lost: Callable[["Connection"], None],
    ) -> None:
        self.address = address
        self.loss: GeartrainError | None = None
        self._patience = patience
        self._answered = answered
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._session: Session[Ticket] = Session(str(address), self._loop.time)
        self._transport: asyncio.Transport | None = None
        self._closed = self._loop.create_future()
        self._collected: list[bytes] = []
        self._collected_size = 0
        self._unsent_size = 0  # when it was last looked at
        self._room = asyncio.Event()
        self._room.set()
        self._next_check: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.address}: {self.loss or self._session}>"

    # For any task

    async def ask(self, compose: Callable[[Session[Ticket]], bytes], *, until: float | None = None) -> None:
        """Send what ``compose`` has the session say.

        A task that is cancelled in here has said nothing.

        Args:
            compose: Called with the session.
            until: The loop's time at which to stop waiting while the server is slow.

        Raises:
            ConnectionLost: The connection is gone; nothing was said.
            NoServerAvailable: The server took too little for too long; nothing was said.
        """
        while self.loss is None and (self._collected_size > _MAX_COLLECTED or not self._room.is_set()):
            await (asyncio.sleep(0) if self._room.is_set() else self._wait_for_room(until))
        self.say(compose)

    async def _wait_for_room(self, until: float | None) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._room.wait()
        except TimeoutError:
            raise NoServerAvailable(f"{self.address} did not take what was sent before in time") from None

    def say(self, compose: Callable[[Session[Ticket]], bytes]) -> None:
        """Do the same without waiting for room."""
        if self.loss is not None:
            raise ConnectionLost(str(self.loss))
        data = compose(self._session)
        if not self._collected:
            self._loop.call_soon(self._flush)
        self._collected.append(data)
        self._collected_size += len(data)

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket."""
        self._session.forget(ticket, handle)

    def lose(self, loss: GeartrainError) -> None:
        """Declare the connection unusable."""
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
        """Return whoever still waits for a lost connection, and whether the server had taken the job."""
        return list(self._session.abandon())

    async def wait_closed(self) -> None:
        """Wait until the transport has let go of its socket."""
        await asyncio.wait([self._closed])

    # For the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._transport.set_write_buffer_limits(high=MAX_UNSENT)
        self._check_silence()

    def data_received(self, data: bytes) -> None:
        if self.loss is not None:
            return
        if not self._session.has_heard:
            self._answered(self.address)
        try:
            for ticket, event in self._session.receive(data):
                ticket.take(event)
        except RemoteProtocolError as error:
            self.lose(error)
        except Exception as error:  # a bug of ours: it ends the connection, but must leave nobody waiting
            logger.exception("giving up the connection to %s after an unexpected error", self.address)
            self.lose(ConnectionLost(f"the client gave up {self.address} after an unexpected {error!r}"))

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)
        words = getattr(exc, "strerror", None) or exc
        lost = f"the connection to {self.address} was lost: {words}" if exc else f"{self.address} closed the connection"
        self.lose(ConnectionLost(lost))

    def _flush(self) -> None:
        if self._collected and self._transport is not None:
            data = b"".join(self._collected)
            self._collected.clear()
            self._collected_size = 0
            self._transport.write(data)

    def _check_silence(self) -> None:
        assert self._transport is not None, "it is connected"
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent_size:
            self._session.sent()
        self._unsent_size = unsent
        if self._session.is_silent(self._patience):
            self.lose(ConnectionLost(f"{self.address} has not answered for {self._patience} seconds"))
        else:
            # A quarter is the exactness with which silence is noticed.
            self._next_check = self._loop.call_later(min(self._patience / 4, _LONGEST_SLEEP), self._check_silence)
