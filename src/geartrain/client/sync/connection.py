# SPDX-License-Identifier: MIT
"""One server's socket and session, shared by the threads of a blocking client.

Any thread writes, without ever blocking in a write: what the socket does not take at once waits here, and the reader
sends it on when the socket is ready. One thread at a time reads: the reader, or a thread that waits for an answer and
has borrowed the connection from it. Only the reader closes the socket, so that no thread can meet its number in
somebody else's hands. One lock guards socket and session, and nothing under it waits for the network.
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

__all__ = ["MAX_UNSENT", "Connection"]

# Bytes waiting for a slow server, above which threads that want to send more are made to wait: enough to keep any
# network busy, little enough to have for each server.
MAX_UNSENT = 4 * 1024 * 1024

# The largest piece offered to a socket: an encrypted one encrypts all of it before it says how much it took.
_SEND_SIZE = 256 * 1024
# Larger than an encrypted record (16 KiB), so that nothing read stays in the TLS layer, where no selector sees it; and
# small enough for the allocator not to ask the system for each one.
_RECEIVE_SIZE = 64 * 1024

_LONGEST_WAIT = 86_400.0  # seconds; the system counts milliseconds, and not much further than to three weeks

_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """A connected server.

    Args:
        address: The server's address.
        sock: The socket, which is ours from now on.
        attend: Has the reader look at this connection; called from any thread.
        answered: Called when the server says something for the first time.

    Attributes:
        loss: Why the connection cannot be used any more, or ``None``.
        is_closed: Whether the socket is closed as well.
        is_lent: Whether a thread that waits for an answer reads in the reader's place.
        reading: Held by the thread that reads, until it has handed on what it has read.
    """

    def __init__(
        self,
        address: ServerAddress,
        sock: socket.socket,
        attend: Callable[["Connection"], None],
        answered: Callable[[ServerAddress], None],
    ) -> None:
        sock.setblocking(False)
        self.address = address
        self.loss: GeartrainError | None = None
        self.is_closed = False
        self.is_lent = False
        self.reading = threading.Lock()
        self._socket = sock
        self._attend = attend
        self._answered = answered
        self._session: Session[Ticket] = Session(str(address), time.monotonic)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)  # there is room again, or the connection is lost
        self._unsent: deque[memoryview] = deque()
        self._unsent_size = 0

    def __repr__(self) -> str:
        return f"<Connection {self.address}: {self.loss or self._session}>"

    # For any thread

    def ask(
        self, compose: Callable[[Session[Ticket]], bytes], *, may_wait: bool = True, until: float | None = None
    ) -> None:
        """Send what ``compose`` has the session say.

        Args:
            compose: Called with the session.
            may_wait: Whether to wait while the server is slow; the reader, who would wait for itself, must not.
            until: The monotonic time at which to stop waiting.

        Raises:
            ConnectionLost: The connection is gone; nothing was said.
            NoServerAvailable: The server took too little for too long; nothing was said.
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
                self._send()
                if self._unsent:
                    self._attend(self)

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket."""
        with self._lock:
            self._session.forget(ticket, handle)

    def lose(self, loss: GeartrainError) -> None:
        """Declare the connection unusable; the reader does the rest."""
        with self._lock:
            self._lose(loss)

    # For the thread that reads

    def wait(self, timeout: float | None) -> bool:
        """Wait until there is something to read, or the connection is lost; return ``False`` if it takes too long.

        A day is always too long.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(None if timeout is None else math.ceil(min(timeout, _LONGEST_WAIT) * 1000)))

    def read(self) -> None:
        """Read once, and hand on what came of it."""
        for ticket, event in self._receive():
            ticket.take(event)

    # For the reader

    def fileno(self) -> int:
        """Return the socket's number, which makes this fit for a selector."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether something waits until the socket takes it."""
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
                    happened.append(event)  # noqa: PERF402 - what came before an error counts
            except _NOT_NOW:
                pass
            except (OSError, RemoteProtocolError) as error:
                self._lose(error if isinstance(error, GeartrainError) else self._loss_from(error))
        return happened

    def send_on(self) -> None:
        """Send what waits, as far as the socket takes it."""
        with self._lock:
            self._send()
            if self._unsent_size <= MAX_UNSENT:
                self._changed.notify_all()

    def check_silence(self, patience: float) -> None:
        """Lose a server that owes an answer and has been silent for so many seconds."""
        with self._lock:
            if self._session.is_silent(patience):
                self._lose(ConnectionLost(f"{self.address} has not answered for {patience} seconds"))

    def close(self) -> list[tuple[Ticket, bool]]:
        """Close the socket and return whoever still waits, and whether the server had taken the job."""
        with self._lock:
            self._socket.close()
            self.is_closed = True
            self._unsent.clear()
            return list(self._session.abandon())

    def disown(self) -> None:
        """Close a forked child's copy of the socket, which leaves the parent's connection alone."""
        self._socket.close()

    # Under the lock

    def _send(self) -> None:
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
            if self.is_lent:
                with contextlib.suppress(OSError):  # it may be gone already
                    self._socket.shutdown(socket.SHUT_RDWR)  # wakes the borrower, whom the closing would not
            self._attend(self)
