# SPDX-License-Identifier: MIT
"""What a blocking client waits for: a job's end, a background job's handle, the answer to a question.

Each is a future, and at the same time the ticket that its session gives back with the events. A ticket is in one pair
of hands at a time: those of a thread that finds a server for it, or the reader's as long as a session has it. Nobody
else ends it, so it ends once.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent import futures
from typing import Protocol, TypeAlias, TypeVar

from geartrain.client.events import Answered, Completed, Created, Refused, SessionEvent
from geartrain.client.request import Submission
from geartrain.client.servers import Chances
from geartrain.client.stream import EventStream
from geartrain.errors import GeartrainError, JobTimeout, ReplyTimeout
from geartrain.records import Handle, JobEvent, JobStatus, Progress

__all__ = ["BackgroundSubmission", "Home", "Question", "Submitted", "SubmittedJob", "Ticket", "as_completed"]

logger = logging.getLogger("geartrain.client")

Value = TypeVar("Value")


class Home(Protocol):
    """Where tickets belong: it sends them and hears of them."""

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""

    def forget(self, ticket: object, handle: Handle | None) -> None:
        """Drop all that will still come for a ticket, whose job is called so if it has a name."""


class Pending(futures.Future[Value]):
    """A future that a session fulfils."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._home = home
        self._handle: Handle | None = None
        self._is_abandoned = False

    def cancel(self) -> bool:
        """Return ``False``: what has been sent cannot be called back."""
        return False

    def take(self, event: SessionEvent) -> None:
        """Make use of what the session says."""
        raise NotImplementedError

    def lost(self, error: GeartrainError, *, taken: bool) -> bool:
        """Take the loss of the connection; return whether to send the same again, and otherwise end."""
        self.fail(error)
        return False

    def fail(self, error: GeartrainError) -> None:
        """End without a value."""
        self.set_exception(error)

    def abandon(self) -> None:
        """Say that nobody waits any more: what was asked for goes on, but is not sent again, and its end is dropped."""
        if not self.done():
            self._is_abandoned = True
            self._home.forget(self, self._handle)

    def result(self, timeout: float | None = None) -> Value:
        """Return the value, or raise the error that came in its place."""
        self._wait(timeout)
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error that came in place of the value, or ``None`` if there was none."""
        self._wait(timeout)
        return super().exception()

    def check_wait(self) -> None:
        """Raise if the current thread must not wait for the end."""
        if not self.done():
            self._home.check_wait()

    def add_done_callback(self, fn: Callable[["Pending[Value]"], object]) -> None:
        """Call ``fn`` with this at its end, or now if it has ended; what it raises is logged.

        It is called by the thread that receives for all of the client: it may submit, but must not wait.
        """
        super().add_done_callback(lambda _: self._call(fn))

    def _call(self, fn: Callable[["Pending[Value]"], object]) -> None:
        try:
            fn(self)
        except BaseException:  # SystemExit, too, would end the thread that everybody depends on
            logger.exception("%r: a callback raised", self)

    def _wait(self, timeout: float | None) -> None:
        if self.done():
            return
        self._home.check_wait()
        try:
            super().exception(timeout)
        except TimeoutError:
            raise self._late(timeout) from None

    def _late(self, timeout: float | None) -> GeartrainError:
        return ReplyTimeout(f"the server did not answer within {round(timeout or 0.0, 3):g} seconds")


class Question(Pending[JobStatus | bytes]):
    """An echo or a status, asked of one server."""

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Answered):
            self.set_result(event.value)
        elif isinstance(event, Refused):
            self.fail(event.error)


class Placed(Pending[Value]):
    """A submission, which another server may get if the first one is lost."""

    def __init__(self, home: Home, submission: Submission, servers: int) -> None:
        super().__init__(home)
        self._submission: Submission | None = submission  # until it is certain that it will not be sent again
        self._chances = Chances(servers, submission.retries)

    @property
    def submission(self) -> Submission:
        """What to send."""
        assert self._submission is not None, "it is dropped once it cannot be sent again"
        return self._submission

    def lost(self, error: GeartrainError, *, taken: bool) -> bool:
        if not self._is_abandoned and self._chances.after_loss(taken=taken):
            return True
        return super().lost(error, taken=taken)


class BackgroundSubmission(Placed[Handle]):
    """A background job, of which the client hears nothing but that a server has it."""

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Created):
            self.set_result(event.handle)
        elif isinstance(event, Refused):
            self.fail(event.error)


class SubmittedJob(Placed[bytes]):
    """A foreground job: a future of its result, and a stream of what it says on the way.

    The result is what the worker sent to end the job; parts that it sent ahead come in the stream only. A stream keeps
    up to 64 MiB that nobody has read; beyond that it is lost, which whoever reads it is told.
    """

    def __init__(self, home: Home, submission: Submission, servers: int, *, stream: bool = True) -> None:
        super().__init__(home, submission, servers)
        self._function = submission.function
        self._unique = submission.unique
        self._progress: Progress | None = None
        self._is_running = False
        self._stream = EventStream() if stream else None

    def __repr__(self) -> str:
        state = "done" if self.done() else "running" if self._is_running else "waiting"
        return f"<SubmittedJob {self.function} {self._handle or 'without a handle'}: {state}>"

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

    def __iter__(self) -> Iterator[JobEvent]:
        return self.events()

    def events(self, timeout: float | None = None) -> Generator[JobEvent, None, bytes]:
        """Yield what the job says until it ends, then return its result or raise its error.

        Args:
            timeout: Seconds for all of it.

        Raises:
            JobTimeout: The job took longer; it goes on, and the stream can be taken up again.
            EventsLost: It sent more than a stream keeps.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._stream is not None:
            self.check_wait()
            event = self._stream.get(deadline)
            if event is None:
                break
            yield event
        return self.result()

    def take(self, event: SessionEvent) -> None:
        if isinstance(event, Completed):
            self.set_result(event.data)
            self._close()
        elif isinstance(event, Created):
            self._handle = event.handle
            if not self._chances.after_taken:
                self._submission = None
        elif isinstance(event, Refused):
            self.fail(event.error)
        elif not isinstance(event, Answered):
            self._hear(event)

    def _hear(self, event: JobEvent) -> None:
        self._is_running = True
        if isinstance(event, Progress):
            self._progress = event
        if self._stream is not None:
            self._stream.put(event)

    def fail(self, error: GeartrainError) -> None:
        super().fail(error)
        self._close()

    def _close(self) -> None:
        self._submission = None
        if self._stream is not None:
            self._stream.end()

    def _late(self, timeout: float | None) -> GeartrainError:
        handle = str(self._handle or "")
        return JobTimeout(f"{self.function} {handle} did not end within {round(timeout or 0.0, 3):g} seconds", handle)


# What a session may hold, and those of them that can go to another server.
Submitted: TypeAlias = BackgroundSubmission | SubmittedJob
Ticket: TypeAlias = Question | Submitted


def as_completed(jobs: Iterable[SubmittedJob], timeout: float | None = None) -> Iterator[SubmittedJob]:
    """Yield jobs as they end, whether well or badly.

    Raises:
        JobTimeout: Some had not ended after so many seconds.
    """
    awaited = list(jobs)
    for job in awaited:
        job.check_wait()
    try:
        for ended in futures.as_completed(awaited, timeout):
            assert isinstance(ended, SubmittedJob)  # they come back as they went in
            yield ended
    except TimeoutError as error:
        raise JobTimeout(str(error)) from None
