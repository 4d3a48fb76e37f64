# SPDX-License-Identifier: MIT
"""A client's session on one connection, without I/O.

A client sends requests: it submits jobs, and asks for a status, an echo or an option. A server answers each with one
packet, strictly in the order of the requests, and an ERROR packet does not say which request it answers; so the pending
requests are kept in one queue. All other packets are about a job and name it by its handle.

A handle can belong to several submissions, as the server makes one job of all that share a unique. It then sends every
WORK_* packet once for each, one directly after the other, so the copies are passed to the submissions in turn. The
packet that ends the job ends it for all; its further copies name an unknown handle, and are dropped.

The session knows each caller by a ticket, an object that its shell gets back with the events; the session never looks
inside. It uses the time only to detect a server that does not answer.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, TypeAlias, TypeVar

from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.submission import Submission
from geartrain.errors import JobException, JobFailed, RemoteProtocolError, ServerError
from geartrain.protocol import RESPONSE, Command, Reader, request
from geartrain.records import Data, Handle, JobEvent, JobStatus, Progress, Warn

__all__ = ["Session"]

Ticket = TypeVar("Ticket")


# Tickets, each with an event.
Happened: TypeAlias = list[tuple[Ticket, SessionEvent]]


class _Request(Generic[Ticket]):
    """A pending request. Its ticket is ``None`` if the answer is to be dropped."""

    __slots__ = ("awaited", "background", "is_job_option", "is_token", "ticket")

    def __init__(self, awaited: Command, ticket: Ticket | None, background: bool = False) -> None:
        self.awaited = awaited
        self.ticket = ticket
        self.background = background
        self.is_token = False
        self.is_job_option = False


class _Waiters(Generic[Ticket]):
    """The submissions of one handle, each with its turn at the copies. A forgotten one keeps its turn."""

    __slots__ = ("tickets", "turn", "warning")

    def __init__(self) -> None:
        self.tickets: list[Ticket | None] = []
        self.warning = b""  # if it was the last event
        self.turn = 0

    def join(self, ticket: Ticket | None) -> None:
        self.tickets.append(ticket)
        self.turn = 0  # the server adds a submission between two packets, so a new round begins

    def forget(self, ticket: object) -> bool:
        """Replace a ticket by a placeholder; return False if it is not here."""
        for place, waiting in enumerate(self.tickets):
            if waiting is ticket:
                self.tickets[place] = None
                return True
        return False

    def next(self) -> Ticket | None:
        ticket = self.tickets[self.turn]
        self.turn = (self.turn + 1) % len(self.tickets)
        return ticket


class Session(Generic[Ticket]):
    """The protocol of a client on one connection.

    Args:
        server: The server's address, for the handles that it assigns.
        clock: A monotonic clock, in seconds.

    Attributes:
        has_heard: True once the server has sent a byte.
    """

    def __init__(self, server: str, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._reader = Reader(RESPONSE)
        self._pending: deque[_Request[Ticket]] = deque()
        self._running: dict[bytes, _Waiters[Ticket]] = {}
        self._moved = clock()  # when a byte was last sent or received, or a request met an empty queue
        self.has_heard = False
        self._takes_job_options = True  # until the server has rejected one

    def __repr__(self) -> str:
        return f"<Session {self._server}: {self.state}>"

    @property
    def state(self) -> str:
        """The number of unanswered requests and of jobs that have not ended, in words."""
        return f"{len(self._pending)} pending, {len(self._running)} running"

    # Requests: each method returns the bytes to send

    def greet(self, client_id: bytes = b"", token: bytes = b"") -> bytes:
        """Begin a connection: show the token and the client's id, and ask for the exceptions of workers.

        A warning is logged if a server does not accept the token. A server that has no tokens does not need it.
        """
        packets = []
        if token:
            self._ask(Command.OPTION_RES, None)
            self._pending[-1].is_token = True
            packets.append(request(Command.OPTION_REQ, b"token=" + token))
        if client_id:
            packets.append(request(Command.SET_CLIENT_ID, client_id))
        self._ask(Command.OPTION_RES, None)
        packets.append(request(Command.OPTION_REQ, b"exceptions"))
        return b"".join(packets)

    def submit(self, submission: Submission, ticket: Ticket) -> bytes:
        """Submit a job. Its ticket gets `Created`, then for a foreground job its events and one end."""
        option = submission.option if self._takes_job_options else b""
        if option:
            self._ask(Command.OPTION_RES, None)
            self._pending[-1].is_job_option = True
        self._ask(Command.JOB_CREATED, ticket, submission.background)
        return option + submission.packet if option else submission.packet

    def ask_status(self, handle: bytes, ticket: Ticket) -> bytes:
        """Ask for a job by its handle. The ticket gets `Answered` or `Failed`; the same for the two methods below."""
        self._ask(Command.STATUS_RES, ticket)
        return request(Command.GET_STATUS, handle)

    def ask_unique(self, unique: bytes, ticket: Ticket) -> bytes:
        """Ask for a job by its unique."""
        self._ask(Command.STATUS_RES_UNIQUE, ticket)
        return request(Command.GET_STATUS_UNIQUE, unique)

    def echo(self, data: bytes, ticket: Ticket) -> bytes:
        """Ask for an echo."""
        self._ask(Command.ECHO_RES, ticket)
        return request(Command.ECHO_REQ, data)

    def _ask(self, awaited: Command, ticket: Ticket | None, background: bool = False) -> None:
        if not self._pending:
            self._moved = self._clock()
        self._pending.append(_Request(awaited, ticket, background))

    # The connection

    def receive(self, data: bytes) -> Iterator[tuple[Ticket, SessionEvent]]:
        """Yield the events of bytes from the server, with their tickets; to be exhausted before the next call.

        Raises:
            RemoteProtocolError: The server violates the protocol; the connection cannot be used any more.
        """
        self._moved = self._clock()
        self.has_heard = True
        reader = self._reader
        reader.feed(data)
        while reader.advance():
            handler = self._HANDLERS.get(reader.command)
            if handler is None:
                raise RemoteProtocolError(self._unexpected(reader))
            yield from handler(self, reader)

    def sent(self) -> None:
        """Record that the server has accepted some bytes."""
        self._moved = self._clock()

    def is_silent(self, timeout: float) -> bool:
        """Return True if an answer is due, and no byte was sent or received for so many seconds.

        Bytes that the server does not accept count as well: everything that a client sends is a request.
        """
        return bool(self._pending) and self._clock() - self._moved > timeout

    # Tickets

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all later events of a ticket. Its job goes on.

        Args:
            ticket: The ticket.
            handle: The job's handle as far as the ticket knows, which saves a search.
        """
        waiters = self._running.get(handle.name.encode("utf-8", "surrogateescape")) if handle is not None else None
        if waiters is not None and waiters.forget(ticket):
            return
        for pending in self._pending:
            if pending.ticket is ticket:
                pending.ticket = None
                return
        any(waiters.forget(ticket) for waiters in self._running.values())  # the handle is on its way to the ticket

    def abandon(self) -> Iterator[tuple[Ticket, bool]]:
        """Yield the tickets of a lost connection, each with True if the server had accepted its job."""
        for pending in self._pending:
            if pending.ticket is not None:
                yield pending.ticket, False
        for waiters in self._running.values():
            yield from ((ticket, True) for ticket in waiters.tickets if ticket is not None)
        self._pending.clear()
        self._running.clear()

    # Packets

    def _unexpected(self, reader: Reader) -> str:
        if reader.command == Command.TEXT:
            return f"{self._server} does not speak Gearman: it sent {reader.argument(0)[:80]!r}"
        return f"{self._server} sent {Command(reader.command).name}, which is not for clients"

    def _answered(self, command: Command) -> _Request[Ticket]:
        """Remove the request that an answer belongs to."""
        while self._pending:
            pending = self._pending.popleft()
            if pending.awaited is command:
                return pending
            if pending.awaited is not Command.OPTION_RES:  # some servers do not answer options
                raise RemoteProtocolError(f"{self._server} sent {command.name} instead of {pending.awaited.name}")
            self._takes_job_options = False
        raise RemoteProtocolError(f"{self._server} sent {command.name}, which answers no request")

    def _on_created(self, reader: Reader) -> Happened[Ticket]:
        pending = self._answered(Command.JOB_CREATED)
        handle = reader.argument(0).removesuffix(b"\0")
        if not pending.background:
            waiters = self._running.get(handle)
            if waiters is None:
                waiters = self._running[handle] = _Waiters()
            waiters.join(pending.ticket)
        return _for(pending.ticket, Created(Handle(_text(handle), self._server)))

    def _on_error(self, reader: Reader) -> Happened[Ticket]:
        code, text = (argument.decode("utf-8", "replace") for argument in reader.arguments())
        if not self._pending:
            raise RemoteProtocolError(f"{self._server} sent an error that answers no request: {code}: {text}")
        pending = self._pending.popleft()
        if pending.is_job_option:
            self._takes_job_options = False
        if pending.is_token:
            _log_token_error(self._server, code, text)
        return _for(pending.ticket, Failed(ServerError(code, text)))

    def _on_option(self, reader: Reader) -> Happened[Ticket]:
        self._answered(Command.OPTION_RES)
        return []

    def _on_echo(self, reader: Reader) -> Happened[Ticket]:
        return _for(self._answered(Command.ECHO_RES).ticket, Answered(reader.argument(0)))

    def _on_status(self, reader: Reader) -> Happened[Ticket]:
        return _for(self._answered(Command.STATUS_RES).ticket, Answered(_status(*reader.arguments()[1:])))

    def _on_unique_status(self, reader: Reader) -> Happened[Ticket]:
        return _for(self._answered(Command.STATUS_RES_UNIQUE).ticket, Answered(_status(*reader.arguments()[1:])))

    def _on_data(self, reader: Reader) -> Happened[Ticket]:
        return self._pass_on(reader, Data(reader.argument(1)))

    def _on_warning(self, reader: Reader) -> Happened[Ticket]:
        return self._pass_on(reader, Warn(reader.argument(1)))

    def _on_progress(self, reader: Reader) -> Happened[Ticket]:
        return self._pass_on(reader, Progress(_number(reader.argument(1)), _number(reader.argument(2))))

    def _on_complete(self, reader: Reader) -> Happened[Ticket]:
        return self._end(reader.argument(0), Completed(reader.argument(1)))

    def _on_fail(self, reader: Reader) -> Happened[Ticket]:
        handle = reader.argument(0).removesuffix(b"\0")  # gearmand's, where it replaces WORK_EXCEPTION
        waiters = self._running.get(handle)
        reason = waiters.warning.decode("utf-8", "replace").rstrip() if waiters is not None else ""
        message = f"job {_text(handle)} failed{': ' if reason else ''}{reason}"
        return self._end(handle, Failed(JobFailed(message, _text(handle), reason)))

    def _on_exception(self, reader: Reader) -> Happened[Ticket]:
        handle = reader.argument(0)
        return self._end(handle, Failed(JobException(reader.argument(1), _text(handle))))

    def _on_noop(self, reader: Reader) -> Happened[Ticket]:
        return []  # meant for workers, and harmless

    def _pass_on(self, reader: Reader, event: JobEvent) -> Happened[Ticket]:
        waiters = self._running.get(reader.argument(0))
        if waiters is None:
            return []
        waiters.warning = event.data if isinstance(event, Warn) else b""
        return _for(waiters.next(), event)

    def _end(self, handle: bytes, event: Completed | Failed) -> Happened[Ticket]:
        waiters = self._running.pop(handle, None)
        if waiters is None:
            return []
        return [(ticket, event) for ticket in waiters.tickets if ticket is not None]

    _HANDLERS: ClassVar[dict[int, Callable[..., Happened[Ticket]]]] = {
        Command.JOB_CREATED: _on_created,
        Command.ERROR: _on_error,
        Command.OPTION_RES: _on_option,
        Command.ECHO_RES: _on_echo,
        Command.STATUS_RES: _on_status,
        Command.STATUS_RES_UNIQUE: _on_unique_status,
        Command.WORK_DATA: _on_data,
        Command.WORK_WARNING: _on_warning,
        Command.WORK_STATUS: _on_progress,
        Command.WORK_COMPLETE: _on_complete,
        Command.WORK_FAIL: _on_fail,
        Command.WORK_EXCEPTION: _on_exception,
        Command.NOOP: _on_noop,
    }


def _log_token_error(server: str, code: str, text: str) -> None:
    import logging  # here alone, as it would be a fifth of the time that the command gearman takes to start

    level = logging.DEBUG if code == "UNKNOWN_OPTION" else logging.WARNING
    logging.getLogger("geartrain.client").log(level, "%s does not accept our token: %s: %s", server, code, text)


def _for(ticket: Ticket | None, event: SessionEvent) -> Happened[Ticket]:
    return [(ticket, event)] if ticket is not None else []


def _status(
    known: bytes, running: bytes, numerator: bytes, denominator: bytes, clients: bytes | None = None
) -> JobStatus:
    return JobStatus(
        known=known == b"1",
        running=running == b"1",
        numerator=_number(numerator),
        denominator=_number(denominator),
        waiting_clients=_number(clients) if clients is not None else None,
    )


_NUMBER = re.compile(rb"\s*[+-]?\d{1,18}")


def _number(digits: bytes) -> int:
    """Read a number as the C server does, which lets workers write anything: the leading digits, or else 0."""
    found = _NUMBER.match(digits)
    return int(found[0]) if found else 0


def _text(handle: bytes) -> str:
    return handle.decode("utf-8", "surrogateescape")
