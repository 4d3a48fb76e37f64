# SPDX-License-Identifier: MIT
"""Tickets: pending requests of a client, and how they process the events of a session. Both shells use them.

A shell combines a ticket with a future of its own kind. A session holds the ticket and returns it with the events; the
future lets its user wait. A ticket ends once.
"""

import copy
from typing import Any, Generic, Protocol, TypeAlias, cast

from geartrain.client.buffer import EventBuffer
from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.options import ClientOptions
from geartrain.client.request import Submission
from geartrain.client.serverpool import RetryBudget
from geartrain.codec import RAW
from geartrain.errors import CodecError, EventsLost, GeartrainError, JobTimeout, ReplyTimeout, ServerError
from geartrain.records import Data, Handle, JobEvent, JobStatus, Progress, ResultT, Warn
from geartrain.wording import counted

__all__ = [
    "BackgroundTicket",
    "JobTicket",
    "PlacedTicket",
    "QuestionTicket",
    "Ticket",
    "TicketOwner",
    "UserEvent",
    "check_unknown",
    "own_copy",
]

# A job's event as its user sees it, with the data decoded.
UserEvent: TypeAlias = Data[ResultT] | Warn | Progress


def own_copy(error: GeartrainError) -> GeartrainError:
    """Return a copy of an error to raise: one object, raised by several waits, would mix up their tracebacks."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin


def check_unknown(error: ServerError) -> None:
    """Raise the answer to a request to cancel a job, unless it says that the job has ended."""
    if error.code != "UNKNOWN_JOB":
        raise error


class TicketOwner(Protocol):
    """The connections that a ticket is sent on."""

    def forget(self, ticket: "Ticket", handle: Handle | None) -> None:
        """Drop all later events of a ticket, whose job has this handle if it has one."""


class Ticket:
    """A pending request.

    Attributes:
        connection: The shell's connection that it was last sent on.
    """

    def __init__(self, owner: TicketOwner) -> None:
        self._owner = owner
        self._handle: Handle | None = None
        self._is_abandoned = False
        self.connection: object = None

    # Implemented by the shell's future

    def done(self) -> bool:
        """Return True if it has ended."""
        raise NotImplementedError

    def succeed(self, value: Any) -> None:
        """End with a value."""
        raise NotImplementedError

    def fail(self, error: GeartrainError) -> None:
        """End with an error."""
        raise NotImplementedError

    # Common to all tickets

    def take(self, event: SessionEvent) -> None:
        """Process an event of the session."""
        raise NotImplementedError

    def lost(self, error: GeartrainError, *, taken: bool) -> bool:
        """Process the loss of the connection; return True to send the same again, otherwise end."""
        self.fail(error)
        return False

    def late(self, timeout: float) -> GeartrainError:
        """Return the exception for a wait of so many seconds that has timed out."""
        return ReplyTimeout(f"the server did not answer within {counted(round(timeout, 3), 'second')}")

    def abandon(self) -> None:
        """End the wait: the request goes on, but it is not sent again, and its later events are dropped."""
        if not self.done():
            self._is_abandoned = True
            self._owner.forget(self, self._handle)


class QuestionTicket(Ticket):
    """A request for an echo or a status, sent to one server."""

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Answered):
            self.succeed(event.value)
        elif isinstance(event, Failed):
            self.fail(event.error)


class PlacedTicket(Ticket):
    """A submission, which goes to another server if the first one is lost."""

    def __init__(self, owner: TicketOwner, submission: Submission, servers: int) -> None:
        super().__init__(owner)
        self._submission: Submission | None = submission  # until it is certain that it will not be sent again
        self._retries = RetryBudget(servers, submission.resubmits)
        self._may_have_run = False

    @property
    def is_wanted(self) -> bool:
        """False once it has ended or was abandoned."""
        return not (self._is_abandoned or self.done())

    @property
    def may_wait(self) -> bool:
        """True if the job may be sent after a wait for a server.

        A job that a server may have got is sent again without delay, or after a wait if it has a unique or resubmits.
        """
        if not self.is_wanted:
            return False
        submission = self.submission
        return not self._may_have_run or bool(submission.key) or submission.resubmits > 0

    @property
    def submission(self) -> Submission:
        """The packet to send."""
        assert self._submission is not None, "it is dropped once it cannot be sent again"
        return self._submission

    def lost(self, error: GeartrainError, *, taken: bool) -> bool:
        if self.is_wanted and self._retries.after_loss(taken=taken):
            self._may_have_run = True
            return True
        return super().lost(error, taken=taken)


class BackgroundTicket(PlacedTicket):
    """A background job, which ends for its client when a server has accepted it."""

    def abandon(self) -> None:
        # A server's answer is due soon, so it is not worth searching for its ticket among perhaps very many.
        self._is_abandoned = True

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Created):
            self.succeed(event.handle)
        elif isinstance(event, Failed):
            self.fail(event.error)


class JobTicket(PlacedTicket, Generic[ResultT]):
    """A foreground job: its state, its events and its result."""

    def __init__(self, owner: TicketOwner, submission: Submission, options: ClientOptions[Any, ResultT]) -> None:
        super().__init__(owner, submission, len(options.addresses))
        self._codec = options.codec
        self._function = submission.function
        self._unique = submission.unique
        self._progress: Progress | None = None
        self._is_running = False
        self._decoded: tuple[ResultT] | None = None  # the result, once it was decoded
        self._parts: EventBuffer | None = None  # of a job without a stream, once there are any
        self._max_unread = options.max_unread

    def __repr__(self) -> str:
        state = "done" if self.done() else "running" if self._is_running else "waiting"
        return f"<{type(self).__name__} {self.function} {self._handle or 'without a handle'}: {state}>"

    @property
    def function(self) -> str:
        """The function's name, with the prefix."""
        return self._function.decode("utf-8", "replace")

    @property
    def unique(self) -> str:
        """The unique; empty if the job has none."""
        return self._unique.decode("utf-8", "replace")

    @property
    def handle(self) -> Handle | None:
        """The handle, once a server has accepted the job; it changes when the job is sent again."""
        return self._handle

    @property
    def status(self) -> JobStatus:
        """The status according to the events so far; ``client.status(job.handle)`` asks the server."""
        progress = self._progress or Progress(0, 0)
        open_ = not self.done()
        failure = None if open_ else self.failure
        return JobStatus(
            known=open_ and self._handle is not None,
            running=open_ and self._is_running,
            numerator=progress.numerator,
            denominator=progress.denominator,
            outcome="" if open_ else "completed" if failure is None else "failed",
            reason="" if failure is None else getattr(failure, "reason", "") or str(failure),
        )

    # Implemented by the shell

    @property
    def failure(self) -> GeartrainError | None:
        """The error with which the job has ended, if it has."""
        raise NotImplementedError

    def accepted(self) -> None:
        """Wake those that wait for the handle."""
        raise NotImplementedError

    def put(self, event: JobEvent) -> None:
        """Keep an event for the user."""
        raise NotImplementedError

    def end(self) -> None:
        """Record that no more events will come."""
        raise NotImplementedError

    # Events

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Completed):
            self.succeed(event.data)
            self._close()
        elif isinstance(event, Created):
            self._handle = event.handle
            if not self._retries.after_taken:
                self._submission = None
            self.accepted()
        elif isinstance(event, Failed):
            self.fail(event.error)
        elif not isinstance(event, Answered):
            self._is_running = True
            if isinstance(event, Progress):
                self._progress = event
            self.put(event)

    def fail(self, error: GeartrainError) -> None:
        super().fail(error)
        self._close()

    def late(self, timeout: float | None) -> GeartrainError:
        assert timeout is not None, "a wait without a limit has an end"
        handle = str(self._handle or "")
        span = counted(round(timeout, 3), "second")
        if handle:
            return JobTimeout(f"the job {handle} of {self.function} did not end within {span}", handle)
        return JobTimeout(f"no server accepted the job of {self.function} within {span}", handle)

    def _close(self) -> None:
        self._submission = None
        self.end()

    def _keep(self, event: JobEvent) -> None:
        """Keep a part of the result of a job without a stream."""
        if isinstance(event, Data):
            if self._parts is None:
                self._parts = EventBuffer(self._max_unread)
            self._parts.put(event)

    # Values

    def _result_of(self, data: bytes) -> ResultT:
        """Return the decoded result; it is decoded once.

        Without a stream, the result of a function that only sent parts, such as a generator, consists of these.

        Raises:
            CodecError: The codec cannot decode it.
            EventsLost: There are more parts than a client keeps.
        """
        if self._decoded is None:
            parts = self._parts
            self._decoded = (self._codec.decode(data) if parts is None else self._joined(data, parts),)
        return self._decoded[0]

    def _joined(self, data: bytes, buffer: EventBuffer) -> ResultT:
        result = self._codec.decode(data) if data else None
        if result is not None:
            return result
        parts: list[Any] = []
        while (event := buffer.take()) is not None:
            assert isinstance(event, Data), "no other events are kept"
            parts.append(self._codec.decode(event.data))
        joined: Any = b"".join(parts) if self._codec is RAW else parts
        return cast(ResultT, joined)

    def _error_of(self, data: bytes) -> CodecError | EventsLost | None:
        """Return the error of a result that cannot be decoded."""
        try:
            self._result_of(data)
        except (CodecError, EventsLost) as unreadable:
            return unreadable
        return None

    def _event_of(self, event: JobEvent) -> UserEvent[ResultT]:
        """Return an event with its data decoded."""
        return Data(self._codec.decode(event.data)) if isinstance(event, Data) else event
