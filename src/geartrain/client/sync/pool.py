# SPDX-License-Identifier: MIT
"""The connections of one blocking client in one process.

Connecting happens in the thread that needs the connection. When a connection is lost, jobs that may be sent again get a
thread of their own for it, as the reader must not wait for a connect, and perhaps nobody waits for the jobs yet.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from geartrain.client.deadline import Deadline
from geartrain.client.options import ClientOptions
from geartrain.client.placement import after_loss, fail_all, inquiries, placements
from geartrain.client.serverpool import ServerPool
from geartrain.client.session import Session
from geartrain.client.sync.connection import Connection
from geartrain.client.sync.iothread import IOThread
from geartrain.client.sync.job import Question
from geartrain.client.ticket import PlacedTicket, Ticket
from geartrain.errors import ConnectionLost, NoServerAvailable, ReplyTimeout
from geartrain.records import Handle, JobStatus
from geartrain.transport import ServerAddress, connect

__all__ = ["ConnectionPool"]

logger = logging.getLogger("geartrain.client")

_CLOSED = "the client was closed"
_LEAST_PATIENCE = 0.01  # seconds for a connect whose time is over: to a server that is there it takes less


class ConnectionPool:
    """What a client has in one process. A forked child makes its own, and closes its copies of the parent's."""

    def __init__(self, options: ClientOptions[Any, Any]) -> None:
        self._options = options
        self._pid = os.getpid()
        self._roster = ServerPool(options.addresses, balance=options.balance, placement=options.placement)
        self._reader: IOThread | None = None
        self._connections: dict[ServerAddress, Connection] = {}
        self._failures: dict[ServerAddress, tuple[float, NoServerAvailable]] = {}
        self._gates = {address: threading.Lock() for address in options.addresses}  # one connects, the others wait
        self._lock = threading.Lock()  # guards what is below and above, and is never held for long
        self._borrowers: set[int] = set()  # threads that read in the reader's place
        self._loans: dict[int, Connection] = {}  # by thread, what was lent to it before it asked
        self._closed = False

    # Submissions

    def place(self, jobs: Sequence[PlacedTicket], *, until: float | None = None, reads: bool = False) -> None:
        """Send each job to the best server that takes it; jobs that none takes end with `NoServerAvailable`.

        Args:
            jobs: What is to be done.
            until: The monotonic time at which to stop trying to reach a server.
            reads: The thread is about to wait for the only job, and calls `give_back` after that. The connection is
                lent to it before it asks, or else the reader is woken by the first answer in two cases of five.
        """
        if self._closed:
            fail_all(jobs, _CLOSED, ConnectionLost)
            return
        for attempt in placements(jobs, self._roster, time.monotonic):
            try:
                self._say(attempt.address, attempt.jobs, attempt.compose, until, reads=reads)
            except (ConnectionLost, NoServerAvailable) as error:
                attempt.error = error

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket; see `Session.forget`."""
        for connection in list(self._connections.values()):
            connection.forget(ticket, handle)

    # Questions

    def ask(
        self, compose: Callable[[Session[Ticket], Question], bytes], server: str = ""
    ) -> Iterator[JobStatus | bytes]:
        """Ask the server that is named so, or all of them, the best first, and yield the answers as they come.

        Raises:
            ReplyTimeout: It did not come in time.
            ServerError: It was an error.
            NoServerAvailable: No server can be reached.
            ConnectionLost: The server went away.
        """
        ranked = self._roster.ranked(b"", time.monotonic())
        for attempt in inquiries([address for address in ranked if str(address) == server] or ranked):
            try:
                yield self._ask(attempt.address, compose)
            except (ConnectionLost, NoServerAvailable, ReplyTimeout) as error:
                attempt.error = error

    def _ask(self, address: ServerAddress, compose: Callable[[Session[Ticket], Question], bytes]) -> JobStatus | bytes:
        question = Question(self)
        try:
            self._say(address, [question], lambda session: compose(session, question), reads=True)
            return question.result(self._options.reply_timeout)
        finally:
            question.abandon()
            self.give_back()

    # Connections

    def _say(
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
            ticket.line = connection
        self.give_back()  # what another server did not answer
        may_wait = not self._is_reader()
        if reads and may_wait and self._reader is not None and self._reader.lend(connection):
            self._loans[threading.get_ident()] = connection
            may_wait = False  # for a server that waits to be read
        connection.ask(compose, may_wait=may_wait, until=until)

    def give_back(self) -> None:
        """Give back what was lent to the current thread and is not needed any more."""
        connection = self._loans.pop(threading.get_ident(), None)
        if connection is not None and self._reader is not None:
            self._reader.take_back(connection)

    def read_for(self, ticket: Ticket, deadline: Deadline) -> None:
        """Read what a ticket waits for in the thread that waits, unless another thread reads already.

        It need not be woken then: that takes a fifth to a third off the way there and back, and more on a busy machine.
        What the handler of a signal raises there leaves the connection as it is, unless it strikes in mid reading.
        """
        connection, reader, this = ticket.line, self._reader, threading.get_ident()
        if not isinstance(connection, Connection) or reader is None:
            return
        if self._loans.pop(this, None) is not connection and not reader.lend(connection):
            return
        try:
            self._borrowers.add(this)
            while not ticket.done() and connection.loss is None and connection.wait(deadline.remaining()):
                self._read(connection)
        finally:
            self._borrowers.discard(this)
            reader.take_back(connection)

    def _read(self, connection: Connection) -> None:
        try:
            connection.read()
        except Exception as error:  # a bug of ours: it ends the connection, but must leave nobody waiting
            logger.exception("giving up the connection to %s after an unexpected error", connection.address)
            connection.lose(ConnectionLost(f"the client gave up {connection.address} after an unexpected {error!r}"))
        except BaseException as error:  # a KeyboardInterrupt, perhaps between reading and handing on
            connection.lose(ConnectionLost(f"{error!r} stopped a thread that read from {connection.address}"))
            raise

    def _connection(self, address: ServerAddress, until: float | None) -> Connection:
        connection = self._connections.get(address)
        if connection is not None and connection.loss is None:
            return connection
        asked_at = time.monotonic()
        with self._gates[address]:
            connection = self._connections.get(address)
            if connection is not None and connection.loss is None:
                return connection
            failed_at, failure = self._failures.get(address, (0.0, None))
            if failure is not None and failed_at >= asked_at:  # another thread has just tried while this one waited
                raise NoServerAvailable(str(failure)) from failure
            return self._connect(address, until)

    def _connect(self, address: ServerAddress, until: float | None) -> Connection:
        options = self._options
        self._check_open()
        patience = options.connect_timeout
        if until is not None:
            patience = min(patience, max(until - time.monotonic(), _LEAST_PATIENCE))
        try:
            sock = connect(address, tls=options.tls, timeout=patience, keepalive=options.keepalive)
        except NoServerAvailable as error:
            now = time.monotonic()
            self._roster.failed(address, now, error)
            self._failures[address] = now, error
            raise
        with self._lock:
            if self._closed:
                sock.close()
                raise ConnectionLost(_CLOSED)
            if self._reader is None:
                reader = IOThread(options.reply_timeout, self._lost)
                reader.start()  # first: without its thread nobody would ever be answered
                self._reader = reader
            connection = Connection(address, sock, self._reader.attend, self._roster.answered)
            connection.ask(lambda session: session.greet(options.client_id, options.token), may_wait=False)
            self._connections[address] = connection
            self._roster.reached(address)
            self._reader.attend(connection)
        return connection

    def _lost(self, connection: Connection) -> None:
        """Deal with those who waited for a connection; called by the reader."""
        loss = str(connection.loss)
        with self._lock:
            if self._connections.get(connection.address) is connection:
                del self._connections[connection.address]
        if not self._closed:
            self._roster.failed(connection.address, time.monotonic(), loss)
        again = after_loss(connection.close(), loss, final=self._closed)
        if again:
            try:
                threading.Thread(target=self._place_again, args=(again,), name="geartrain-again", daemon=True).start()
            except RuntimeError as error:  # there are too many threads, or the interpreter is about to end
                fail_all(again, f"{loss}; the job could not be sent again: {error}", ConnectionLost)

    def _place_again(self, jobs: Sequence[PlacedTicket]) -> None:
        try:
            self.place(jobs)
        except Exception as error:
            logger.exception("jobs of a lost connection could not be sent again")
            fail_all(jobs, f"the job could not be sent again: {error!r}", ConnectionLost)

    # Life and death

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""
        if self._pid != os.getpid():
            raise ConnectionLost("the job belongs to the process that this one was forked from")
        if self._is_reader():
            raise RuntimeError("a callback runs in the thread that receives, and cannot wait for what it is to receive")

    def _is_reader(self) -> bool:
        reader = self._reader
        return reader is not None and (reader.is_current() or threading.get_ident() in self._borrowers)

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionLost(_CLOSED)

    def close(self) -> None:
        """End everything that waits; in a forked child, only let go of what is the parent's."""
        if self._pid != os.getpid():
            self._disown()
            return
        with self._lock:
            self._closed = True
            reader = self._reader
        if reader is not None:
            reader.stop()

    def join(self) -> None:
        """Wait until `close` has done its work, unless that is asked of the thread that does it."""
        if self._reader is not None and not self._is_reader():
            self._reader.join()

    def _disown(self) -> None:
        # Without locks: a thread that held one is not in this process to release it.
        for connection in self._connections.values():
            connection.disown()
        self._connections.clear()
        if self._reader is not None:
            self._reader.disown()
            self._reader = None
