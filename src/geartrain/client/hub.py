# SPDX-License-Identifier: MIT
"""The connections of one blocking client in one process, and the finding of a server for each job.

Connecting happens in the thread that needs the connection. When a connection is lost, jobs that may be sent again get a
thread of their own for it, as the reader must not wait for a connect, and perhaps nobody waits for the jobs yet.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from geartrain.client.connection import Connection
from geartrain.client.job import Question, Submitted, Ticket
from geartrain.client.options import Options
from geartrain.client.reader import Reader
from geartrain.client.servers import Roster
from geartrain.client.session import Session
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable
from geartrain.records import Handle, JobStatus
from geartrain.transport import ServerAddress, connect

__all__ = ["Hub"]

logger = logging.getLogger("geartrain.client")

_CLOSED = "the client was closed"
_LEAST_PATIENCE = 0.01  # seconds for a connect whose time is over: to a server that is there it takes less
_NOTHING_TRIED: Mapping[ServerAddress, GeartrainError] = MappingProxyType({})


class Hub:
    """What a client has in one process. A forked child makes its own, and closes its copies of the parent's."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._pid = os.getpid()
        self._roster = Roster(options.addresses, balance=options.balance)
        self._reader: Reader | None = None
        self._connections: dict[ServerAddress, Connection] = {}
        self._failures: dict[ServerAddress, tuple[float, NoServerAvailable]] = {}
        self._gates = {address: threading.Lock() for address in options.addresses}  # one connects, the others wait
        self._lock = threading.Lock()  # guards what is below and above, and is never held for long
        self._closed = False

    # Submissions

    def place(
        self,
        jobs: Sequence[Submitted],
        *,
        until: float | None = None,
        tried: Mapping[ServerAddress, GeartrainError] = _NOTHING_TRIED,
    ) -> None:
        """Send each job to the best server that takes it; jobs that none takes end with `NoServerAvailable`.

        Args:
            jobs: What is to be done.
            until: The monotonic time at which to stop trying to reach a server.
            tried: Servers that did not take them, and why.
        """
        if self._closed:
            _fail(jobs, _CLOSED, ConnectionLost)
        elif len(tried) == len(self._options.addresses):
            _fail(jobs, "; ".join(str(error) for error in tried.values()), NoServerAvailable)
        else:
            for address, share in self._shares(jobs, tried).items():
                try:
                    self._submit(address, share, until)
                except (ConnectionLost, NoServerAvailable) as error:
                    self.place(share, until=until, tried={**tried, address: error})

    def _shares(
        self, jobs: Sequence[Submitted], tried: Mapping[ServerAddress, GeartrainError]
    ) -> dict[ServerAddress, list[Submitted]]:
        """Divide jobs among the servers not tried yet, of which there is one at least."""
        shares: dict[ServerAddress, list[Submitted]] = {}
        now = time.monotonic()
        with self._lock:
            for job in jobs:
                ranked = self._roster.ranked(job.submission.key, now)
                best = next(address for address in ranked if address not in tried)
                shares.setdefault(best, []).append(job)
        return shares

    def _submit(self, address: ServerAddress, jobs: Sequence[Submitted], until: float | None) -> None:
        def compose(session: Session[Ticket]) -> bytes:
            return b"".join([session.submit(job.submission, job) for job in jobs])

        self._say(address, compose, until)

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket; see `Session.forget`."""
        for connection in list(self._connections.values()):
            connection.forget(ticket, handle)

    # Questions

    def ask(self, address: ServerAddress, compose: Callable[[Session[Ticket], Question], bytes]) -> JobStatus | bytes:
        """Ask one server something and wait for the answer.

        Raises:
            ReplyTimeout: It did not come in time.
            ServerError: It was an error.
            NoServerAvailable: The server cannot be reached.
            ConnectionLost: It went away.
        """
        try:
            return self._ask(address, compose)
        except ConnectionLost:  # perhaps it was stale; and asking twice does no harm
            return self._ask(address, compose)

    def _ask(self, address: ServerAddress, compose: Callable[[Session[Ticket], Question], bytes]) -> JobStatus | bytes:
        question = Question(self)
        self._say(address, lambda session: compose(session, question))
        try:
            return question.result(self._options.reply_timeout)
        finally:
            question.abandon()

    def ranked(self, server: str = "") -> list[ServerAddress]:
        """Return the server that is named so, or all of them, the best first."""
        with self._lock:
            ranked = list(self._roster.ranked(b"", time.monotonic()))
        return [address for address in ranked if str(address) == server] or ranked

    # Connections

    def _say(
        self, address: ServerAddress, compose: Callable[[Session[Ticket]], bytes], until: float | None = None
    ) -> None:
        may_wait = not self._is_reader()
        try:
            self._connection(address, until).ask(compose, may_wait=may_wait)
        except ConnectionLost:  # since it was last used; a new one may do
            self._connection(address, until).ask(compose, may_wait=may_wait)

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
            with self._lock:
                self._roster.failed(address, now)
                self._failures[address] = now, error
            raise
        with self._lock:
            if self._closed:
                sock.close()
                raise ConnectionLost(_CLOSED)
            if self._reader is None:
                reader = Reader(options.reply_timeout, self._lost)
                reader.start()  # first: without its thread nobody would ever be answered
                self._reader = reader
            connection = Connection(address, sock, self._reader.attend)
            connection.ask(lambda session: session.greet(options.client_id), may_wait=False)
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
            self._roster.failed(connection.address, time.monotonic(), answered=connection.has_heard)
        again: list[Submitted] = []
        for ticket, taken in connection.close():
            if self._closed:
                ticket.fail(ConnectionLost(loss))
            elif ticket.lost(ConnectionLost(loss), taken=taken) and not isinstance(ticket, Question):
                again.append(ticket)
        if again:
            try:
                threading.Thread(target=self._place_again, args=(again,), name="geartrain-again", daemon=True).start()
            except RuntimeError as error:  # there are too many threads, or the interpreter is about to end
                _fail(again, f"{loss}; the job could not be sent again: {error}", ConnectionLost)

    def _place_again(self, jobs: Sequence[Submitted]) -> None:
        try:
            self.place(jobs)
        except Exception as error:
            logger.exception("jobs of a lost connection could not be sent again")
            _fail(
                [job for job in jobs if not job.done()], f"the job could not be sent again: {error!r}", ConnectionLost
            )

    # Life and death

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""
        if self._pid != os.getpid():
            raise ConnectionLost("the job belongs to the process that this one was forked from")
        if self._is_reader():
            raise RuntimeError("a callback runs in the thread that receives, and cannot wait for what it is to receive")

    def _is_reader(self) -> bool:
        return self._reader is not None and self._reader.is_current()

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


def _fail(jobs: Sequence[Submitted], reason: str, kind: type[ConnectionLost | NoServerAvailable]) -> None:
    for job in jobs:
        job.fail(kind(reason))  # each its own: an error that is raised in several threads mixes up their tracebacks
