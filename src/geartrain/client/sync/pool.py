# SPDX-License-Identifier: MIT
"""The connections of one blocking client in one process.

Connecting takes long, and so does the resolver of names: a thread of its own does it for each server, and those that
need the connection wait for the outcome as long as their callers allow. When a connection is lost, jobs that may be
sent again get a thread as well: the I/O thread must not wait for a connect, and perhaps no thread waits for the jobs.

See `geartrain.client.sync.connection` for what an exception from a signal handler may do here.
"""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from geartrain.client.deadline import Deadline
from geartrain.client.inquiry import Inquiry
from geartrain.client.options import ClientOptions
from geartrain.client.placement import Pause, after_loss, fail_all, inquiries, placements
from geartrain.client.serverpool import ServerPool
from geartrain.client.session import Session
from geartrain.client.sync.connection import ClientConnection
from geartrain.client.sync.iothread import IOThread
from geartrain.client.sync.job import Question
from geartrain.client.ticket import PlacedTicket, Ticket
from geartrain.errors import ConnectionLost, NoServerAvailable, ReplyTimeout
from geartrain.lazy import LazyLogger
from geartrain.records import Handle, JobStatus
from geartrain.transport import Latch, ServerAddress, connect

__all__ = ["ConnectionPool"]

logger = LazyLogger("geartrain.client")

_CLOSED = "the client was closed"
_SHORTEST_CONNECT = 0.01  # seconds for a connect after the deadline: a server on the same network needs less


class Connect(Protocol):
    """A function that connects to a server, such as `geartrain.transport.connect`."""

    def __call__(
        self, address: ServerAddress, *, tls: Any, timeout: float, keepalive: float | None
    ) -> socket.socket: ...


class _Wait:
    """A thread's wait for a connection, and its outcome."""

    __slots__ = ("latch", "outcome")

    def __init__(self) -> None:
        self.latch = Latch()
        self.outcome: ClientConnection | ConnectionLost | NoServerAvailable | None = None

    def end(self, outcome: ClientConnection | ConnectionLost | NoServerAvailable) -> None:
        self.outcome = outcome
        self.latch.set()


class ConnectionPool:
    """The connections of a client in one process. A forked child has its own, and closes copies of the parent's.

    Args:
        options: The client's options.
        connect: Connects to a server.
    """

    def __init__(self, options: ClientOptions[Any, Any], connect: Connect = connect) -> None:
        self._options = options
        self._connect_to = connect
        self._pid = os.getpid()
        self._servers = ServerPool(options.addresses, balance=options.balance, placement=options.placement)
        self._io: IOThread | None = None
        self._connections: dict[ServerAddress, ClientConnection] = {}
        self._waiting: defaultdict[ServerAddress, list[_Wait]] = defaultdict(list)
        self._connecting: set[ServerAddress] = set()  # those with a thread that connects
        self._lock = threading.Lock()  # guards the attributes above; never held for long
        self._borrowed: dict[int, ClientConnection] = {}  # by thread, the connection that it borrowed before it sent
        self._resting: dict[int, Latch] = {}  # by thread, those that wait for a server to come back
        self._closed = False

    def states(self) -> dict[ServerAddress, str]:
        """Return the state of each connection, for ``repr``."""
        return {address: connection.state for address, connection in list(self._connections.items())}

    # Submissions

    def place(self, jobs: Sequence[PlacedTicket], *, until: float | None = None, reads: bool = False) -> None:
        """Send each job to the best server that accepts it; jobs that none accepts end with `NoServerAvailable`.

        Args:
            jobs: The jobs.
            until: The monotonic time at which attempts to reach a server end.
            reads: The thread is about to wait for the only job, and calls `release` after that. It borrows the
                connection before it sends, as otherwise the first answer wakes the I/O thread in two cases of five.
        """
        if self._closed:
            fail_all(jobs, _CLOSED, ConnectionLost)
            return
        for attempt in placements(jobs, self._servers, time.monotonic, patience=self._options.patience, until=until):
            if isinstance(attempt, Pause):
                if self._receives():  # it must not wait
                    self._place_in_thread(attempt.jobs, str(attempt.error))
                    return
                self._rest(attempt)
                if self._closed:
                    fail_all(attempt.jobs, _CLOSED, ConnectionLost)
                    return
                continue
            try:
                self._send(attempt.address, attempt.jobs, attempt.compose, until, reads=reads)
            except (ConnectionLost, NoServerAvailable) as error:
                attempt.error = error

    def forget(self, ticket: Ticket, handle: Handle | None) -> None:
        """Drop all later events of a ticket; see `Session.forget`."""
        for connection in list(self._connections.values()):
            connection.forget(ticket, handle)

    def cancel(self, handle: Handle) -> None:
        """Cancel a job."""
        from geartrain.admin.sync import AdminClient  # here alone, as few clients need it

        with AdminClient(handle.server, **self._options.for_admin()) as admin:
            admin.cancel(handle)

    def _rest(self, pause: Pause[Any]) -> None:
        """Wait until a server may be back, or until the client is closed."""
        self.release()
        if self._options.on_wait is not None:
            self._options.on_wait(pause.error)
        latch = Latch()
        self._resting[threading.get_ident()] = latch
        try:
            if not self._closed:
                latch.wait(pause.seconds)
        finally:
            self._resting.pop(threading.get_ident(), None)

    # Inquiries

    def ask(self, inquiry: Inquiry) -> Iterator[JobStatus | bytes]:
        """Ask the inquiry's server, or all of them, the best first, and yield the answers as they come.

        Raises:
            ReplyTimeout: There was no answer in time.
            ServerError: The answer was an error.
            NoServerAvailable: No server can be reached.
            ConnectionLost: The connection was lost.
        """
        ranked = self._servers.ranked(b"", time.monotonic())
        asked = [address for address in ranked if str(address) == inquiry.server] or ranked
        for attempt in inquiries(asked, self._servers, time.monotonic, self._options.patience):
            if isinstance(attempt, Pause):
                self.check_wait()
                self._rest(attempt)
                self._check_open()
                continue
            try:
                yield self._ask(attempt.address, inquiry)
            except (ConnectionLost, NoServerAvailable, ReplyTimeout) as error:
                attempt.error = error

    def _ask(self, address: ServerAddress, inquiry: Inquiry) -> JobStatus | bytes:
        question = Question(self)
        try:
            self._send(address, [question], lambda session: inquiry.compose(session, question), reads=True)
            return question.result(self._options.reply_timeout)
        finally:
            question.abandon()
            self.release()

    # Connections

    def _send(
        self,
        address: ServerAddress,
        tickets: Sequence[Ticket],
        compose: Callable[[Session[Ticket]], bytes],
        until: float | None = None,
        *,
        reads: bool = False,
    ) -> None:
        connection = self._connection(address, until)
        for ticket in tickets:
            ticket.connection = connection
        self.release()  # the connection to a server that did not answer
        may_wait = not self._receives()
        io = self._io
        assert io is not None, "it made the connection"
        try:
            if reads and may_wait and io.borrow(connection):
                self._borrowed[threading.get_ident()] = connection
                may_wait = False  # the server may wait for its answers to be received
            connection.send(compose, tickets, may_wait=may_wait, until=until)
        except BaseException:
            io.notify(connection)  # to have it checked at once
            raise

    def release(self) -> None:
        """Give back the connection that the current thread has borrowed, if it has not done so."""
        connection = self._borrowed.pop(threading.get_ident(), None)
        if connection is not None and self._io is not None:
            self._io.give_back(connection)

    def read_for(self, ticket: Ticket, deadline: Deadline) -> None:
        """Receive what a ticket waits for in the thread that waits, unless another thread receives already.

        So no thread has to be woken, which saves a fifth to a third of a round trip, and more on a busy machine. An
        exception from a signal handler leaves the connection as it is, except while bytes are received.
        """
        connection, io, thread = ticket.connection, self._io, threading.get_ident()
        if not isinstance(connection, ClientConnection) or io is None:
            return
        if self._borrowed.pop(thread, None) is not connection and not io.borrow(connection):
            return
        try:
            while not ticket.done() and connection.is_borrowed and connection.loss is None:
                remaining = deadline.remaining()
                # The I/O thread may have received in place of this one, which then sees it after an interval.
                if connection.wait(io.interval if remaining is None else min(remaining, io.interval)):
                    connection.receive()
                elif remaining is not None and remaining <= io.interval:
                    break
        except BaseException:
            io.notify(connection)  # to have it checked at once
            raise
        finally:
            io.give_back(connection)

    def call_back(self, call: Callable[[], object]) -> None:
        """Call a function in the I/O thread."""
        io = self._io
        if io is not None:
            io.post(call)
        else:
            call()

    def _connection(self, address: ServerAddress, until: float | None) -> ClientConnection:
        connection = self._connections.get(address)
        if connection is not None and connection.loss is None:
            return connection
        io = self._io_thread()
        wait = _Wait()
        with self._lock:
            self._check_open()
            connection = self._connections.get(address)
            if connection is not None and connection.loss is None:
                return connection
            self._waiting[address].append(wait)
        if io.is_current():
            self._start_connecting(address)
        else:
            io.post(partial(self._start_connecting, address))
        timeout = self._options.connect_timeout
        if until is not None:
            timeout = min(timeout, max(until - time.monotonic(), _SHORTEST_CONNECT))
        wait.latch.wait(timeout)
        outcome = wait.outcome
        if isinstance(outcome, ClientConnection):
            return outcome
        if outcome is None:
            raise NoServerAvailable(f"{address}: no answer in time")
        raise type(outcome)(str(outcome)) from outcome

    def _io_thread(self) -> IOThread:
        with self._lock:
            self._check_open()
            if self._io is None:
                self._io = IOThread(self._options.reply_timeout, self._lost, self._io_failed)
            io = self._io
        io.start()
        return io

    def _io_failed(self, error: OSError) -> None:
        for address in self._options.addresses:
            self._end_waits(address, NoServerAvailable(f"{address}: the client's thread cannot start: {error}"))

    def _start_connecting(self, address: ServerAddress) -> None:
        """Start a thread that connects, unless there is one; called by the I/O thread."""
        with self._lock:
            connection = self._connections.get(address)
            is_needed = not self._closed and (connection is None or connection.loss is not None)
            if not is_needed or address in self._connecting:
                return  # those that wait got the connection, or will get it
            self._connecting.add(address)
        try:
            threading.Thread(target=self._connect, args=(address,), name="geartrain-connect", daemon=True).start()
        except RuntimeError as error:  # there are too many threads
            self._end_waits(address, NoServerAvailable(f"{address}: {error}"))

    def _connect(self, address: ServerAddress) -> None:
        options = self._options
        try:
            sock = self._connect_to(
                address, tls=options.tls, timeout=options.connect_timeout, keepalive=options.keepalive
            )
        except NoServerAvailable as error:
            self._servers.failed(address, time.monotonic(), error)
            self._end_waits(address, error)
        except Exception as error:
            logger.exception("connecting to %s failed unexpectedly", address)
            self._end_waits(address, NoServerAvailable(f"{address}: {error!r}"))
        else:
            self._install(address, sock)

    def _install(self, address: ServerAddress, sock: socket.socket) -> None:
        options = self._options
        with self._lock:
            if self._closed or self._io is None:
                sock.close()
                return
            connection = ClientConnection(address, sock, self._io.notify, self._servers.answered)
            connection.send(lambda session: session.greet(options.client_id, options.token), may_wait=False)
            self._connections[address] = connection
            self._servers.reached(address)
            self._io.notify(connection)
        self._end_waits(address, connection)

    def _end_waits(
        self, address: ServerAddress, outcome: ClientConnection | ConnectionLost | NoServerAvailable
    ) -> None:
        with self._lock:
            self._connecting.discard(address)
            for wait in self._waiting.pop(address, ()):
                wait.end(outcome)

    def _lost(self, connection: ClientConnection) -> None:
        """Pass the loss of a connection to its tickets; called by the I/O thread."""
        loss = str(connection.loss)
        with self._lock:
            if self._connections.get(connection.address) is connection:
                del self._connections[connection.address]
        if not self._closed:
            self._servers.failed(connection.address, time.monotonic(), loss)
        again = after_loss(connection.close(), loss, final=self._closed)
        if again:
            self._place_in_thread(again, loss)

    def _place_in_thread(self, jobs: Sequence[PlacedTicket], reason: str) -> None:
        """Place jobs in a thread of their own, as this one must not wait."""
        try:
            threading.Thread(target=self._place_again, args=(jobs,), name="geartrain-again", daemon=True).start()
        except RuntimeError as error:  # there are too many threads, or the interpreter is about to end
            fail_all(jobs, f"{reason}; the job could not be sent again: {error}", ConnectionLost)

    def _place_again(self, jobs: Sequence[PlacedTicket]) -> None:
        try:
            self.place(jobs)
        except Exception as error:
            logger.exception("jobs of a lost connection could not be sent again")
            fail_all(jobs, f"the job could not be sent again: {error!r}", ConnectionLost)

    # Life cycle

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""
        if self._pid != os.getpid():
            raise ConnectionLost("the job belongs to the parent process")
        if self._receives():
            raise RuntimeError("a callback runs in the receiving thread, so it cannot wait for an answer")

    def _receives(self) -> bool:
        """Return True if the current thread receives, so that it must not wait."""
        return self._io is not None and self._io.is_current()

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionLost(_CLOSED)

    def close(self) -> None:
        """End all waits; in a forked child only close the copies of the parent's descriptors."""
        if self._pid != os.getpid():
            self._close_copies()
            return
        with self._lock:
            self._closed = True
            for waiting in self._waiting.values():
                for wait in waiting:
                    wait.end(ConnectionLost(_CLOSED))
            io = self._io
        for latch in list(self._resting.values()):
            latch.set()
        if io is not None:
            io.stop()

    def join(self) -> None:
        """Wait until `close` has taken effect, except in the thread that does the closing."""
        if self._io is not None and not self._receives():
            self._io.join()

    def _close_copies(self) -> None:
        # Without locks: a thread that holds one does not exist in this process.
        for connection in self._connections.values():
            connection.close_copy()
        self._connections.clear()
        if self._io is not None:
            self._io.close_copies()
            self._io = None
