# SPDX-License-Identifier: MIT
"""A server's socket and session, shared by the threads of a blocking client.

Any thread sends, and never blocks in a send: bytes that the socket does not accept at once wait here, and the I/O
thread sends them when the socket is ready. One thread at a time receives: the I/O thread, or a thread that waits for an
answer and has borrowed the connection from it. Only the I/O thread closes the socket, so that no thread can use its
descriptor after the system has given it to another file. One lock guards socket and session; no thread waits for the
network while it holds the lock.
"""

import contextlib
import math
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable

from geartrain.client.events import SessionEvent
from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable, RemoteProtocolError
from geartrain.records import Handle
from geartrain.transport import ServerAddress

__all__ = ["MAX_UNSENT", "ClientConnection"]

# Bytes waiting for a slow server, above which threads that want to send more wait: enough to use any network fully, and
# little memory for each server.
MAX_UNSENT = 4 * 1024 * 1024

# The largest piece passed to `send`: TLS encrypts all of it before it returns the number of bytes that it accepted.
_SEND_SIZE = 256 * 1024
# Larger than a TLS record (16 KiB), so that no data stays in the TLS layer, where no selector sees it; and small enough
# for the allocator not to ask the system for each buffer.
_RECEIVE_SIZE = 64 * 1024

_LONGEST_WAIT = 86_400.0  # seconds; the system counts milliseconds, up to about three weeks

_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ClientConnection:
    """A connection to a server.

    Args:
        address: The server's address.
        sock: The socket, which is closed with the connection.
        notify: Called from any thread: the I/O thread must check this connection.
        answered: Called when the server sends its first byte.

    Attributes:
        address: The server's address.
        loss: The reason why the connection cannot be used any more, or ``None``.
        is_closed: True if the socket is closed as well.
        is_borrowed: True while a thread that waits for an answer receives in place of the I/O thread.
        receiving: Held by the thread that receives, until it has passed on what it has received.
    """

    def __init__(
        self,
        address: ServerAddress,
        sock: socket.socket,
        notify: Callable[["ClientConnection"], None],
        answered: Callable[[ServerAddress], None],
    ) -> None:
        sock.setblocking(False)
        self.address = address
        self.loss: GeartrainError | None = None
        self.is_closed = False
        self.is_borrowed = False
        self.receiving = threading.Lock()
        self._socket = sock
        self._notify = notify
        self._answered = answered
        self._session: Session[Ticket] = Session(str(address), time.monotonic)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # there is room again, or the connection is lost
        self._unsent: deque[memoryview] = deque()
        self._unsent_size = 0

    def __repr__(self) -> str:
        return f"<ClientConnection {self.address}: {self.loss or self.state}>"

    @property
    def state(self) -> str:
        """The state in a few words."""
        return f"{self._session.state}, {self._unsent_size} bytes unsent"

    # For any thread

    def send(
        self, compose: Callable[[Session[Ticket]], bytes], *, may_wait: bool = True, until: float | None = None
    ) -> None:
        """Send the bytes that ``compose`` returns.

        Args:
            compose: Called with the session.
            may_wait: True to wait while the server is slow; the thread that receives must not, as it would wait for
                itself.
            until: The monotonic time at which the wait ends.

        Raises:
            ConnectionLost: The connection is lost; nothing was sent.
            NoServerAvailable: The server accepted too few bytes for too long; nothing was sent.
        """
        with self._lock:
            while may_wait and self.loss is None and self._unsent_size > MAX_UNSENT:
                if not self._changed.wait(None if until is None else max(until - time.monotonic(), 0.0)):
                    raise NoServerAvailable(f"{self.address} did not take what was sent before in time")
            if self.loss is not None:
                raise ConnectionLost(str(self.loss))
            data = compose(self._session)
            was_idle = not self._unsent
            self._unsent.append(memoryview(data))
            self._unsent_size += len(data)
            if was_idle:
                self._send_now()
                if self._unsent:
                    self._notify(self)

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all later events of a ticket."""
        with self._lock:
            self._session.forget(ticket, handle)

    def lose(self, loss: GeartrainError) -> None:
        """Mark the connection as lost; the I/O thread does the rest."""
        with self._lock:
            self._lose(loss)

    # For the thread that receives

    def wait(self, timeout: float | None) -> bool:
        """Wait until the socket is readable, or the connection is lost; return ``False`` at the timeout.

        After a day it times out in any case.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(None if timeout is None else math.ceil(min(timeout, _LONGEST_WAIT) * 1000)))

    def receive(self) -> None:
        """Receive once, and pass the events to their tickets."""
        for ticket, event in self._receive():
            ticket.take(event)

    # For the I/O thread

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """True if bytes wait for the socket."""
        return bool(self._unsent)

    def _receive(self) -> list[tuple[Ticket, SessionEvent]]:
        happened: list[tuple[Ticket, SessionEvent]] = []
        with self._lock:
            if self.loss is not None:
                return happened
            try:
                data = self._socket.recv(_RECEIVE_SIZE)
                if not data:
                    raise ConnectionLost(f"{self.address} closed the connection")
                if not self._session.has_heard:
                    self._answered(self.address)
                for event in self._session.receive(data):
                    happened.append(event)  # noqa: PERF402 - events before an error count
            except _NOT_NOW:
                pass
            except (OSError, RemoteProtocolError) as error:
                self._lose(error if isinstance(error, GeartrainError) else self._loss_from(error))
        return happened

    def send_more(self) -> None:
        """Send the waiting bytes that the socket accepts now."""
        with self._lock:
            self._send_now()
            if self._unsent_size <= MAX_UNSENT:
                self._changed.notify_all()

    def check_silence(self, timeout: float) -> None:
        """Mark the connection as lost if an answer is due and no byte has moved for so many seconds."""
        with self._lock:
            if self._session.is_silent(timeout):
                self._lose(ConnectionLost(f"{self.address} has not answered for {timeout} seconds"))

    def close(self) -> list[tuple[Ticket, bool]]:
        """Close the socket, and return the tickets, each with True if the server had accepted its job."""
        with self._lock:
            self._socket.close()
            self.is_closed = True
            self._unsent.clear()
            return list(self._session.abandon())

    def close_copy(self) -> None:
        """Close a forked child's copy of the socket, which does not affect the parent's connection."""
        self._socket.close()

    # With the lock held

    def _send_now(self) -> None:
        try:
            while self._unsent and self.loss is None:
                first = self._unsent[0]
                size = self._socket.send(first[:_SEND_SIZE])
                self._session.sent()
                self._unsent_size -= size
                if size == len(first):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = first[size:]
        except _NOT_NOW:
            pass
        except OSError as error:
            self._lose(self._loss_from(error))

    def _loss_from(self, error: OSError) -> ConnectionLost:
        loss = ConnectionLost(f"the connection to {self.address} was lost: {error.strerror or error}")
        loss.__cause__ = error
        return loss

    def _lose(self, loss: GeartrainError) -> None:
        if self.loss is None:
            self.loss = loss
            self._changed.notify_all()
            if self.is_borrowed:
                with contextlib.suppress(OSError):  # it may be closed already
                    self._socket.shutdown(socket.SHUT_RDWR)  # wakes the borrower, which closing would not do
            self._notify(self)
