# SPDX-License-Identifier: MIT
"""What a blocking client waits for: a job's end, a background job's handle, the answer to a question.

Each is a future, and at the same time the ticket that its session gives back with the events. A ticket is in one pair
of hands at a time: those of a thread that finds a server for it, or the reader's as long as a session has it. Nobody
else ends it, so it ends once.
"""

import itertools
import logging
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent import futures
from typing import Any, Protocol, TypeVar, cast

from geartrain.client import ticket
from geartrain.client.deadline import Deadline
from geartrain.client.request import Submission
from geartrain.client.sync.stream import EventStream
from geartrain.client.ticket import BackgroundTicket, JobTicket, QuestionTicket, Ticket, UserEvent
from geartrain.codec import Codec
from geartrain.errors import CodecError, GeartrainError, JobTimeout
from geartrain.records import Handle, JobEvent, JobStatus, ResultT

__all__ = ["BackgroundSubmission", "TicketOwner", "Pending", "Question", "SubmittedJob", "as_completed"]

logger = logging.getLogger("geartrain.client")

WINDOW = 100  # jobs that `as_completed` takes at a time of an input whose end it does not know

Value = TypeVar("Value")
JobT = TypeVar("JobT", bound="SubmittedJob[Any]")


class TicketOwner(ticket.TicketOwner, Protocol):
    """Where tickets belong: it sends them, hears of them and knows which threads may wait."""

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""

    def read_for(self, ticket: Ticket, deadline: Deadline) -> None:
        """Read what a ticket waits for, if no other thread does."""


class Pending(futures.Future[Value], Ticket):
    """A future that a session fulfils."""

    _home: TicketOwner

    def __init__(self, home: TicketOwner) -> None:
        futures.Future.__init__(self)
        Ticket.__init__(self, home)

    def cancel(self) -> bool:
        """Return ``False``: what has been sent cannot be called back."""
        return False

    def succeed(self, value: Any) -> None:
        self.set_result(value)

    def fail(self, error: GeartrainError) -> None:
        self.set_exception(error)

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

        It is called by a thread that receives for all of the client: it may submit, but must not wait.
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
        deadline = Deadline(timeout, time.monotonic)
        self._home.read_for(self, deadline)
        try:
            super().exception(deadline.remaining())
        except TimeoutError:
            if timeout is None:
                raise  # not ours, but perhaps what the handler of a signal raised
            raise self.late(timeout) from None


class Question(QuestionTicket, Pending[JobStatus | bytes]):
    """An echo or a status, asked of one server."""


class BackgroundSubmission(BackgroundTicket, Pending[Handle]):
    """A background job on its way to a server."""


class SubmittedJob(JobTicket[ResultT], Pending[ResultT]):
    """A foreground job: a future of its result, and a stream of what it says on the way.

    The result is what the worker sent to end the job; parts that it sent ahead come in the stream only. A stream keeps
    up to 64 MiB that nobody has read; beyond that it is lost, which whoever reads it is told. Results and parts are
    decoded by whoever asks for them.
    """

    def __init__(
        self,
        home: TicketOwner,
        submission: Submission,
        servers: int,
        codec: Codec[Any, ResultT],
        *,
        stream: bool = True,
    ) -> None:
        super().__init__(home, submission, servers, codec)
        self._stream = EventStream() if stream else None
        self._value: tuple[ResultT] | None = None  # decoded

    def result(self, timeout: float | None = None) -> ResultT:
        """Return the result, or raise the error that came in its place.

        Args:
            timeout: Seconds to wait; by default as long as it takes.

        Raises:
            JobFailed: The worker said so.
            JobException: The worker raised an exception.
            JobTimeout: The job took longer. It may still run, and can be waited for again.
            CodecError: The codec cannot read the result.
        """
        data = cast(bytes, super().result(timeout))
        if self._value is None:
            self._value = (self._codec.decode(data),)
        return self._value[0]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error that came in place of the result, or ``None`` if there was none."""
        error = super().exception(timeout)
        if error is None:
            try:
                self.result()
            except CodecError as unreadable:
                return unreadable
        return error

    def __iter__(self) -> Iterator[UserEvent[ResultT]]:
        return self.events()

    def events(self, timeout: float | None = None) -> Generator[UserEvent[ResultT], None, ResultT]:
        """Yield what the job says until it ends, then return its result or raise its error.

        Args:
            timeout: Seconds for all of it.

        Raises:
            JobTimeout: The job took longer; it goes on, and the stream can be taken up again.
            EventsLost: It sent more than a stream keeps.
        """
        deadline = Deadline(timeout, time.monotonic).at
        while self._stream is not None:
            self.check_wait()
            event = self._stream.get(deadline)
            if event is None:
                break
            yield self._decoded(event)
        return self.result()

    def put(self, event: JobEvent) -> None:
        if self._stream is not None:
            self._stream.put(event)

    def end(self) -> None:
        if self._stream is not None:
            self._stream.end()


def as_completed(jobs: Iterable[JobT], timeout: float | None = None) -> Iterator[JobT]:
    """Yield jobs as they end, whether well or badly.

    Args:
        jobs: A collection, which is waited for as a whole, or an iterator, of which some 100 jobs are taken at a time:
            so it may have no end, and may submit its jobs when it is asked for them.
        timeout: Seconds for all of them.

    Raises:
        JobTimeout: Some had not ended after so many seconds.
    """
    deadline = Deadline(timeout, time.monotonic)
    try:
        yield from _whole(jobs, deadline) if isinstance(jobs, Collection) else _lazily(iter(jobs), deadline)
    except futures.TimeoutError as error:
        raise JobTimeout(str(error)) from None


def _whole(jobs: Collection[JobT], deadline: Deadline) -> Iterator[JobT]:
    for job in jobs:
        job.check_wait()
    yield from cast(Iterator[JobT], futures.as_completed(jobs, deadline.remaining()))


def _lazily(jobs: Iterator[JobT], deadline: Deadline) -> Iterator[JobT]:
    awaited = set(itertools.islice(jobs, WINDOW))
    while awaited:
        for job in awaited:
            job.check_wait()
        done, _ = futures.wait(awaited, deadline.remaining(), futures.FIRST_COMPLETED)
        if not done:
            raise JobTimeout(f"{len(awaited)} jobs had not ended in time")
        for job in cast(set[JobT], done):  # they come back as they went in
            awaited.remove(job)
            yield job
            awaited.update(itertools.islice(jobs, 1))
