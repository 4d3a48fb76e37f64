# SPDX-License-Identifier: MIT
"""The client's side of one connection, without I/O.

A client asks questions: it submits jobs, wants a status, an echo or an option. A server answers each with one packet,
strictly in the order of the questions, and an ERROR packet does not say which question it answers; so the questions
that wait stand in one line. All else that comes is about a job and names it by its handle.

A handle can belong to several submissions, as the server makes one job of all that share a unique. It then sends every
WORK_* packet once for each, one directly after the other, so the copies are dealt out in turn. The packet that ends the
job ends it for all; its further copies name a handle that is not known any more, and are dropped.

The session knows whoever asks by a ticket, which is whatever its shell wants back with the events: it never looks
inside. It speaks of time only to tell whether the server has fallen silent.
"""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, TypeAlias, TypeVar

from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.request import Submission
from geartrain.errors import JobException, JobFailed, RemoteProtocolError, ServerError
from geartrain.protocol import RESPONSE, Command, Parser, request
from geartrain.records import Data, Handle, JobEvent, JobStatus, Progress, Warn

__all__ = ["Session"]

logger = logging.getLogger("geartrain.client")

Ticket = TypeVar("Ticket")


# Whom an event is for, and the event.
Happened: TypeAlias = list[tuple[Ticket, SessionEvent]]


class _Question(Generic[Ticket]):
    """Something asked and not answered yet. A ticket of ``None`` means that nobody wants the answer."""

    __slots__ = ("awaited", "background", "is_token", "ticket")

    def __init__(self, awaited: Command, ticket: Ticket | None, background: bool = False) -> None:
        self.awaited = awaited
        self.ticket = ticket
        self.background = background
        self.is_token = False


class _Waiters(Generic[Ticket]):
    """The submissions behind one handle, each with its turn at the copies. One that was forgotten keeps its turn."""

    __slots__ = ("tickets", "turn")

    def __init__(self) -> None:
        self.tickets: list[Ticket | None] = []
        self.turn = 0

    def join(self, ticket: Ticket | None) -> None:
        self.tickets.append(ticket)
        self.turn = 0  # the server adds a submission between two packets, so a new round begins

    def forget(self, ticket: object) -> bool:
        """Keep the place of a ticket, if it is here, but not the ticket."""
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
    """One connection's conversation.

    Args:
        server: The server's address, for the handles that it gives out.
        clock: Seconds that only ever grow.
    """

    def __init__(self, server: str, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._parser = Parser(RESPONSE)
        self._asked: deque[_Question[Ticket]] = deque()
        self._running: dict[bytes, _Waiters[Ticket]] = {}
        self._moved = clock()  # when a byte last went either way, or a question met an empty line
        self.has_heard = False

    def __repr__(self) -> str:
        return f"<Session {self._server}: {len(self._asked)} asked, {len(self._running)} running>"

    # What to send

    def greet(self, client_id: bytes = b"", token: bytes = b"") -> bytes:
        """Return what a new connection begins with: what lets us in, who we are, and that we want workers' exceptions.

        A server that does not accept the token is warned of, and one that knows of no tokens does not need it: what it
        refuses is told by the answers to what follows.
        """
        packets = []
        if token:
            self._ask(Command.OPTION_RES, None)
            self._asked[-1].is_token = True
            packets.append(request(Command.OPTION_REQ, b"token=" + token))
        if client_id:
            packets.append(request(Command.SET_CLIENT_ID, client_id))
        self._ask(Command.OPTION_RES, None)
        packets.append(request(Command.OPTION_REQ, b"exceptions"))
        return b"".join(packets)

    def submit(self, submission: Submission, ticket: Ticket) -> bytes:
        """Submit a job. Its ticket gets `Created`, then events if it is a foreground job, and one end."""
        self._ask(Command.JOB_CREATED, ticket, submission.background)
        return submission.packet

    def ask_status(self, handle: bytes, ticket: Ticket) -> bytes:
        """Ask for a job by its handle. The ticket gets `Answered`, as for the two below, or `Failed`."""
        self._ask(Command.STATUS_RES, ticket)
        return request(Command.GET_STATUS, handle)

    def ask_unique(self, unique: bytes, ticket: Ticket) -> bytes:
        """Ask for a job by its unique."""
        self._ask(Command.STATUS_RES_UNIQUE, ticket)
        return request(Command.GET_STATUS_UNIQUE, unique)

    def echo(self, data: bytes, ticket: Ticket) -> bytes:
        """Ask for some bytes to be sent back."""
        self._ask(Command.ECHO_RES, ticket)
        return request(Command.ECHO_REQ, data)

    def _ask(self, awaited: Command, ticket: Ticket | None, background: bool = False) -> None:
        if not self._asked:
            self._moved = self._clock()
        self._asked.append(_Question(awaited, ticket, background))

    # What comes

    def receive(self, data: bytes) -> Iterator[tuple[Ticket, SessionEvent]]:
        """Yield what the bytes mean, and for whom, to be taken to the end before the next call.

        Raises:
            RemoteProtocolError: The server does not keep to the protocol; the connection cannot be used any more.
        """
        self._moved = self._clock()
        self.has_heard = True
        for command, arguments in self._parser.receive(data):
            handler = self._HANDLERS.get(command)
            if command == Command.TEXT:
                raise RemoteProtocolError(f"{self._server} does not speak Gearman: it sent {arguments[0][:80]!r}")
            if handler is None:
                raise RemoteProtocolError(f"{self._server} sent {Command(command).name}, which is nothing for a client")
            yield from handler(self, arguments)

    def sent(self) -> None:
        """Note that the server took some bytes."""
        self._moved = self._clock()

    def is_silent(self, patience: float) -> bool:
        """Tell whether an answer is due and no byte went either way for so many seconds.

        That holds for bytes that the server does not take, too: all that a client sends is questions.
        """
        return bool(self._asked) and self._clock() - self._moved > patience

    # Who waits

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket. Its job goes on.

        Args:
            ticket: The ticket.
            handle: The job's handle as far as the ticket knows, which saves the search.
        """
        followers = self._running.get(handle.name.encode("utf-8", "surrogateescape")) if handle is not None else None
        if followers is not None and followers.forget(ticket):
            return
        for question in self._asked:
            if question.ticket is ticket:
                question.ticket = None
                return
        any(followers.forget(ticket) for followers in self._running.values())  # the handle is on its way to the ticket

    def abandon(self) -> Iterator[tuple[Ticket, bool]]:
        """Yield whoever still waits, as the connection is gone, and whether the server had taken the job."""
        for question in self._asked:
            if question.ticket is not None:
                yield question.ticket, False
        for followers in self._running.values():
            yield from ((ticket, True) for ticket in followers.tickets if ticket is not None)
        self._asked.clear()
        self._running.clear()

    # The packets

    def _answered(self, command: Command) -> _Question[Ticket]:
        """Take the question from the line that an answer belongs to."""
        while self._asked:
            question = self._asked.popleft()
            if question.awaited is command:
                return question
            if question.awaited is not Command.OPTION_RES:  # there are servers that do not know about options
                raise RemoteProtocolError(f"{self._server} sent {command.name} where {question.awaited.name} was due")
        raise RemoteProtocolError(f"{self._server} sent {command.name}, which nobody asked for")

    def _on_created(self, arguments: list[bytes]) -> Happened[Ticket]:
        question = self._answered(Command.JOB_CREATED)
        handle = arguments[0].removesuffix(b"\0")
        if not question.background:
            followers = self._running.get(handle)
            if followers is None:
                followers = self._running[handle] = _Waiters()
            followers.join(question.ticket)
        return _for(question.ticket, Created(Handle(_text(handle), self._server)))

    def _on_error(self, arguments: list[bytes]) -> Happened[Ticket]:
        code, text = (argument.decode("utf-8", "replace") for argument in arguments)
        if not self._asked:
            raise RemoteProtocolError(f"{self._server} sent an error that nobody asked for: {code}: {text}")
        question = self._asked.popleft()
        if question.is_token:
            level = logging.DEBUG if code == "UNKNOWN_OPTION" else logging.WARNING
            logger.log(level, "%s does not accept our token: %s: %s", self._server, code, text)
        return _for(question.ticket, Failed(ServerError(code, text)))

    def _on_option(self, arguments: list[bytes]) -> Happened[Ticket]:
        self._answered(Command.OPTION_RES)
        return []

    def _on_echo(self, arguments: list[bytes]) -> Happened[Ticket]:
        return _for(self._answered(Command.ECHO_RES).ticket, Answered(arguments[0]))

    def _on_status(self, arguments: list[bytes]) -> Happened[Ticket]:
        return _for(self._answered(Command.STATUS_RES).ticket, Answered(_status(*arguments[1:])))

    def _on_unique_status(self, arguments: list[bytes]) -> Happened[Ticket]:
        return _for(self._answered(Command.STATUS_RES_UNIQUE).ticket, Answered(_status(*arguments[1:])))

    def _on_data(self, arguments: list[bytes]) -> Happened[Ticket]:
        return self._deal(arguments[0], Data(arguments[1]))

    def _on_warning(self, arguments: list[bytes]) -> Happened[Ticket]:
        return self._deal(arguments[0], Warn(arguments[1]))

    def _on_progress(self, arguments: list[bytes]) -> Happened[Ticket]:
        return self._deal(arguments[0], Progress(_number(arguments[1]), _number(arguments[2])))

    def _on_complete(self, arguments: list[bytes]) -> Happened[Ticket]:
        return self._end(arguments[0], Completed(arguments[1]))

    def _on_fail(self, arguments: list[bytes]) -> Happened[Ticket]:
        handle = arguments[0].removesuffix(b"\0")  # the C server's, where it puts this in place of WORK_EXCEPTION
        return self._end(handle, Failed(JobFailed(f"job {_text(handle)} failed", _text(handle))))

    def _on_exception(self, arguments: list[bytes]) -> Happened[Ticket]:
        return self._end(arguments[0], Failed(JobException(arguments[1], _text(arguments[0]))))

    def _on_noop(self, arguments: list[bytes]) -> Happened[Ticket]:
        return []  # meant for workers, and harmless

    def _deal(self, handle: bytes, event: JobEvent) -> Happened[Ticket]:
        followers = self._running.get(handle)
        return _for(followers.next(), event) if followers is not None else []

    def _end(self, handle: bytes, event: Completed | Failed) -> Happened[Ticket]:
        followers = self._running.pop(handle, None)
        if followers is None:
            return []
        return [(ticket, event) for ticket in followers.tickets if ticket is not None]

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
    """Read a number as the C server does, which lets workers write anything: the digits in front, or else 0."""
    found = _NUMBER.match(digits)
    return int(found[0]) if found else 0


def _text(handle: bytes) -> str:
    return handle.decode("utf-8", "surrogateescape")
