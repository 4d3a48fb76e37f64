# SPDX-License-Identifier: MIT
"""What a client waits for, and what it does with all that a session says: the part that both shells share.

A shell mixes a ticket with a future of its own kind. A session holds the ticket and gives it back with the events; the
future lets its user wait. A ticket ends once.
"""

from typing import Any, Generic, Protocol, TypeAlias

from geartrain.client.events import Answered, Completed, Created, Failed, SessionEvent
from geartrain.client.request import Submission
from geartrain.client.serverpool import RetryBudget
from geartrain.codec import Codec
from geartrain.errors import GeartrainError, JobTimeout, ReplyTimeout
from geartrain.records import Data, Handle, JobEvent, JobStatus, Progress, ResultT, Warn

__all__ = ["BackgroundTicket", "TicketOwner", "JobTicket", "PlacedTicket", "QuestionTicket", "Ticket", "UserEvent"]

# A job's event as its user sees it, with the data decoded.
UserEvent: TypeAlias = Data[ResultT] | Warn | Progress


class TicketOwner(Protocol):
    """Where tickets belong: it sends them and hears of them."""

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket, whose job is called so if it has a name."""


class Ticket:
    """Somebody who waits for a server to say something.

    Attributes:
        line: The shell's connection that it was sent on last.
    """

    def __init__(self, home: TicketOwner) -> None:
        self._home = home
        self._handle: Handle | None = None
        self._is_abandoned = False
        self.line: object = None

    # What the shell's future does

    def done(self) -> bool:
        """Whether it has ended."""
        raise NotImplementedError

    def succeed(self, value: Any) -> None:
        """End with a value."""
        raise NotImplementedError

    def fail(self, error: GeartrainError) -> None:
        """End without a value."""
        raise NotImplementedError

    # What all tickets do

    def take(self, event: SessionEvent) -> None:
        """Make use of what the session says."""
        raise NotImplementedError

    def lost(self, error: GeartrainError, *, taken: bool) -> bool:
        """Take the loss of the connection; return whether to send the same again, and otherwise end."""
        self.fail(error)
        return False

    def late(self, timeout: float) -> GeartrainError:
        """Return what to raise for whoever has waited for so many seconds in vain."""
        return ReplyTimeout(f"the server did not answer within {round(timeout, 3):g} seconds")

    def abandon(self) -> None:
        """Say that nobody waits any more: what was asked for goes on, but is not sent again, and its end is dropped."""
        if not self.done():
            self._is_abandoned = True
            self._home.forget(self, self._handle)


class QuestionTicket(Ticket):
    """An echo or a status, asked of one server."""

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Answered):
            self.succeed(event.value)
        elif isinstance(event, Failed):
            self.fail(event.error)


class PlacedTicket(Ticket):
    """A submission, which another server may get if the first one is lost."""

    def __init__(self, home: TicketOwner, submission: Submission, servers: int) -> None:
        super().__init__(home)
        self._submission: Submission | None = submission  # until it is certain that it will not be sent again
        self._chances = RetryBudget(servers, submission.retries)

    @property
    def submission(self) -> Submission:
        """What to send."""
        assert self._submission is not None, "it is dropped once it cannot be sent again"
        return self._submission

    def lost(self, error: GeartrainError, *, taken: bool) -> bool:
        if not self._is_abandoned and self._chances.after_loss(taken=taken):
            return True
        return super().lost(error, taken=taken)


class BackgroundTicket(PlacedTicket):
    """A background job, of which the client hears nothing but that a server has it."""

    def abandon(self) -> None:
        # A server's answer is due soon, so there is no need to search for those, perhaps very many, who expect one.
        self._is_abandoned = True

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Created):
            self.succeed(event.handle)
        elif isinstance(event, Failed):
            self.fail(event.error)


class JobTicket(PlacedTicket, Generic[ResultT]):
    """A foreground job: all that is known of it, and its events for whoever wants them."""

    def __init__(self, home: TicketOwner, submission: Submission, servers: int, codec: Codec[Any, ResultT]) -> None:
        super().__init__(home, submission, servers)
        self._codec = codec
        self._function = submission.function
        self._unique = submission.unique
        self._progress: Progress | None = None
        self._is_running = False

    def __repr__(self) -> str:
        state = "done" if self.done() else "running" if self._is_running else "waiting"
        return f"<{type(self).__name__} {self.function} {self._handle or 'without a handle'}: {state}>"

    @property
    def function(self) -> str:
        """The function's name, with the prefix."""
        return self._function.decode("utf-8", "replace")

    @property
    def unique(self) -> str:
        """The unique, or nothing if the job has none."""
        return self._unique.decode("utf-8", "replace")

    @property
    def handle(self) -> Handle | None:
        """The handle, once a server has taken the job; another one after a retry."""
        return self._handle

    @property
    def status(self) -> JobStatus:
        """What has been heard of the job; ``client.status(job.handle)`` asks the server."""
        progress = self._progress or Progress(0, 0)
        open_ = not self.done()
        return JobStatus(
            known=open_ and self._handle is not None,
            running=open_ and self._is_running,
            numerator=progress.numerator,
            denominator=progress.denominator,
        )

    # What the shell's stream does

    def put(self, event: JobEvent) -> None:
        """Keep an event for the user."""
        raise NotImplementedError

    def end(self) -> None:
        """Say that no more will come."""
        raise NotImplementedError

    # What comes

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Completed):
            self.succeed(event.data)
            self._close()
        elif isinstance(event, Created):
            self._handle = event.handle
            if not self._chances.after_taken:
                self._submission = None
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

    def late(self, timeout: float) -> GeartrainError:
        handle = str(self._handle or "")
        job = f"{self.function} {handle or 'without a handle'}"
        return JobTimeout(f"{job} did not end within {round(timeout, 3):g} seconds", handle)

    def _close(self) -> None:
        self._submission = None
        self.end()

    def _decoded(self, event: JobEvent) -> UserEvent[ResultT]:
        return Data(self._codec.decode(event.data)) if isinstance(event, Data) else event
