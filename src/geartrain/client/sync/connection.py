# SPDX-License-Identifier: MIT
"""A server's socket and session, shared by the threads of a blocking client.

Any thread sends, and never blocks in a send: bytes that the socket does not accept at once wait here, and the I/O
thread sends them when the socket is ready. The I/O thread receives, or a thread that waits for an answer and has
borrowed the connection. Only the I/O thread closes the socket. One lock guards socket, session and the tickets that are
with the session; no thread waits for the network while it holds the lock.

An exception from a signal handler can end any call of the main thread between two instructions, also in ``except``
and ``finally``. So nothing is repaired here. A flag, `_is_changing`, is set before the session, the unsent bytes or a
ticket change, and cleared when all of them agree again. The thread that next takes the lock and finds the flag set
gives the connection up, and every ticket that was with it ends. Locks are taken by ``with`` alone: CPython 3.11 to 3.13
run no signal handler between taking the lock and entering the block.

A loan is only a hint that spares the I/O thread wake-ups: both threads may receive, one after the other, as receiving
and passing on is one step under the lock. A loan that an interrupted thread has left behind costs time, but no answer.
"""

import contextlib
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable, RemoteProtocolError
from geartrain.records import Handle
from geartrain.transport import Latch, ServerAddress
from geartrain.transport.sockets import is_readable
from geartrain.wording import counted

__all__ = ["MAX_UNSENT", "ClientConnection"]

# Bytes waiting for a slow server, above which threads that want to send more wait: enough to use any network fully, and
# little memory for each server.
MAX_UNSENT = 4 * 1024 * 1024

# The largest piece passed to `send`: TLS encrypts all of it before it returns the number of bytes that it accepted.
_SEND_SIZE = 256 * 1024
# Larger than a TLS record (16 KiB), so that no data stays in the TLS layer, where no selector sees it; and small enough
# for the allocator not to ask the system for each buffer.
_RECEIVE_SIZE = 64 * 1024

_NOT_NOW = (BlockingIOError, InterruptedError)
_TLS_NOT_NOW = {"SSLWantReadError", "SSLWantWriteError"}  # by name, as a client without TLS does not import ssl


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
        is_rewatched: True while the selector's registration of the socket changes.
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
        self.is_rewatched = False
        self._socket = sock
        self._notify = notify
        self._answered = answered
        self._session: Session[Ticket] = Session(str(address), time.monotonic)
        self._tickets: dict[Ticket, None] = {}  # those that wait for the session
        self._waiting_for_room: list[Latch] = []
        self._unsent: deque[memoryview] = deque()
        self._unsent_size = 0
        self._is_changing = False  # the attributes above do not agree
        self._reads = 0
        self._unread_at = -1  # `_reads` at the last check, if bytes were waiting for the borrower
        self._lock = threading.Lock()  # guards everything above

    def __repr__(self) -> str:
        return f"<ClientConnection {self.address}: {self.loss or self.state}>"

    @property
    def state(self) -> str:
        """The state in a few words."""
        return f"{self._session.state}, {counted(self._unsent_size, 'byte')} unsent"

    # For any thread

    def send(
        self,
        compose: Callable[[Session[Ticket]], bytes],
        tickets: Sequence[Ticket] = (),
        *,
        may_wait: bool = True,
        until: float | None = None,
    ) -> None:
        """Send the bytes that ``compose`` returns.

        Args:
            compose: Called with the session.
            tickets: The tickets that it passes to the session.
            may_wait: True to wait while the server is slow; the thread that receives must not, as it would wait for
                itself.
            until: The monotonic time at which the wait ends.

        Raises:
            ConnectionLost: The connection is lost; nothing was sent.
            NoServerAvailable: The server accepted too few bytes for too long; nothing was sent.
        """
        while (room := self._send(compose, tickets, may_wait=may_wait)) is not None:
            if not room.wait(None if until is None else max(until - time.monotonic(), 0.0)):
                raise NoServerAvailable(f"{self.address} did not read the earlier data in time")

    def _send(
        self, compose: Callable[[Session[Ticket]], bytes], tickets: Sequence[Ticket], *, may_wait: bool
    ) -> Latch | None:
        """Send the bytes, or return a latch that is set when there is room for them."""
        with self._lock:
            self._check()
            if self.loss is not None:
                raise ConnectionLost(str(self.loss))
            if may_wait and self._unsent_size > MAX_UNSENT:
                room = Latch()
                self._waiting_for_room.append(room)
                return room
            self._is_changing = True
            for ticket in tickets:
                self._tickets[ticket] = None
            data = compose(self._session)
            was_idle = not self._unsent
            self._unsent.append(memoryview(data))
            self._unsent_size += len(data)
            if was_idle:
                self._send_now()
                if self._unsent:
                    self._notify(self)
            self._is_changing = False
        return None

    def forget(self, ticket: Ticket, handle: Handle | None) -> None:
        """Drop all later events of a ticket."""
        with self._lock:
            self._check()
            if self.loss is None:
                self._is_changing = True
                self._session.forget(ticket, handle)
                self._tickets.pop(ticket, None)
                self._is_changing = False

    def lose(self, loss: GeartrainError) -> None:
        """Mark the connection as lost; the I/O thread does the rest."""
        with self._lock:
            self._lose(loss)

    def lend(self) -> bool:
        """Let a thread that waits receive; return False if another one does."""
        with self._lock:
            if self.loss is not None or self.is_borrowed:
                return False
            self.is_borrowed = True
            return True

    # For the thread that receives

    def wait(self, timeout: float) -> bool:
        """Wait until the socket is readable, or the connection is lost; return ``False`` at the timeout."""
        return is_readable(self._socket, timeout)

    def receive(self) -> None:
        """Receive once, and pass the events to their tickets.

        Any exception, which may be that of a signal handler, leaves the connection to be given up.
        """
        with self._lock:
            self._check()
            if self.loss is not None:
                return
            self._is_changing = True
            self._reads += 1
            try:
                data = self._socket.recv(_RECEIVE_SIZE)
                if data:
                    self._pass_on(data)
                else:
                    self._lose(ConnectionLost(f"{self.address} closed the connection"))
            except _NOT_NOW:
                pass
            except RemoteProtocolError as error:
                self._lose(error)
            except OSError as error:
                if type(error).__name__ not in _TLS_NOT_NOW:
                    self._lose(self._loss_from(error))
            self._is_changing = False

    def _pass_on(self, data: bytes) -> None:
        if not self._session.has_heard:
            self._answered(self.address)
        for ticket, event in self._session.receive(data):
            ticket.take(event)
            if ticket.done():
                self._tickets.pop(ticket, None)  # last: until then the loss of the connection ends it as well

    # For the I/O thread

    def fileno(self) -> int:
        """Return the socket's descriptor, for selectors."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """True if bytes wait for the socket."""
        return bool(self._unsent)

    def send_more(self) -> None:
        """Send the waiting bytes that the socket accepts now."""
        with self._lock:
            self._check()
            self._send_now()
            if self._unsent_size <= MAX_UNSENT:
                self._make_room()

    def check(self, timeout: float = math.inf) -> None:
        """Mark the connection as lost if a thread was interrupted in it, or if the server is silent.

        Args:
            timeout: Seconds without a byte sent or received until a connection that waits for an answer is closed.
        """
        with self._lock:
            self._check()
            if self._session.is_silent(timeout):
                self._lose(ConnectionLost(f"{self.address} has not answered for {counted(timeout, 'second')}"))

    def take_back(self) -> bool:
        """End a loan whose borrower has not received at two checks in a row what had arrived."""
        if not self.is_borrowed or self.is_closed or not self.wait(0.0):
            self._unread_at = -1
        elif self._unread_at == self._reads:
            self.is_borrowed = False
            return True
        else:
            self._unread_at = self._reads
        return False

    def close(self) -> list[tuple[Ticket, bool]]:
        """Close the socket, and return the tickets, each with True if the server may have accepted its job."""
        with self._lock:
            self._socket.close()
            self.is_closed = True
            self._unsent.clear()
            waiting = dict(self._session.abandon())
            for ticket in self._tickets:
                waiting.setdefault(ticket, True)  # the session no longer had it when a thread was interrupted
            self._tickets.clear()
            return list(waiting.items())

    def close_copy(self) -> None:
        """Close a forked child's copy of the socket, which does not affect the parent's connection."""
        self._socket.close()

    # With the lock held

    def _check(self) -> None:
        if self._is_changing and self.loss is None:
            self._lose(ConnectionLost(f"a thread was interrupted while it used the connection to {self.address}"))

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
            if type(error).__name__ not in _TLS_NOT_NOW:
                self._lose(self._loss_from(error))

    def _loss_from(self, error: OSError) -> ConnectionLost:
        """Return the loss that the system reports; raise what is not from the system, but from a signal handler."""
        if error.errno is None:
            raise error
        loss = ConnectionLost(f"the connection to {self.address} was lost: {error.strerror or error}")
        loss.__cause__ = error
        return loss

    def _lose(self, loss: GeartrainError) -> None:
        if self.loss is None:
            self.loss = loss
            self._make_room()
            if self.is_borrowed:
                with contextlib.suppress(OSError):  # it may be closed already
                    self._socket.shutdown(socket.SHUT_RDWR)  # wakes the borrower, which closing would not do
            self._notify(self)

    def _make_room(self) -> None:
        for latch in self._waiting_for_room:
            latch.set()
        self._waiting_for_room.clear()
