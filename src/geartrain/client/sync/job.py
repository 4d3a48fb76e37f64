# SPDX-License-Identifier: MIT
"""Jobs, handles and answers that threads wait for. The twin of this module is `geartrain.client.aio.job`.

Each is a future, and at the same time the ticket that its session returns with the events. One thread at a time handles
a ticket: the one that places it with a server, or the receiving thread while a session has it. No other thread ends it,
so it ends once.
"""

import itertools
import logging
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent import futures
from typing import Any, Protocol, TypeVar, cast

from geartrain.client.deadline import Deadline
from geartrain.client.options import ClientOptions
from geartrain.client.request import MAX_IN_FLIGHT, Submission
from geartrain.client.sync.stream import EventStream
from geartrain.client.ticket import BackgroundTicket, JobTicket, QuestionTicket, Ticket, UserEvent
from geartrain.client.ticket import TicketOwner as AnyTicketOwner
from geartrain.errors import GeartrainError, JobTimeout
from geartrain.records import Handle, JobEvent, JobStatus, ResultT

__all__ = ["BackgroundSubmission", "Pending", "Question", "SubmittedJob", "TicketOwner", "as_completed"]

logger = logging.getLogger("geartrain.client")

Value = TypeVar("Value")
JobT = TypeVar("JobT", bound="SubmittedJob[Any]")


class TicketOwner(AnyTicketOwner, Protocol):
    """The connections that a ticket is sent on, and the threads that may wait for them."""

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""

    def read_for(self, ticket: Ticket, deadline: Deadline) -> None:
        """Receive what a ticket waits for, if no other thread does."""


class Pending(futures.Future[Value], Ticket):
    """A future that a session fulfils."""

    _owner: TicketOwner

    def __init__(self, owner: TicketOwner) -> None:
        futures.Future.__init__(self)
        Ticket.__init__(self, owner)

    def cancel(self) -> bool:
        """Return ``False``: a request that was sent cannot be cancelled."""
        return False

    def succeed(self, value: Any) -> None:
        self.set_result(value)

    def fail(self, error: GeartrainError) -> None:
        self.set_exception(error)

    def result(self, timeout: float | None = None) -> Value:
        """Return the value, or raise the error in its place."""
        self._wait(timeout)
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error in place of the value, or ``None``."""
        self._wait(timeout)
        return super().exception()

    def check_wait(self) -> None:
        """Raise if the current thread must not wait for the end."""
        if not self.done():
            self._owner.check_wait()

    def add_done_callback(self, fn: Callable[["Pending[Value]"], object]) -> None:
        """Call ``fn`` with this object at its end, or now if it has ended.

        The call happens in a thread that receives for the whole client: it may submit jobs, but must not wait. An
        exception is logged.
        """
        super().add_done_callback(lambda _: self._call(fn))

    def _call(self, fn: Callable[["Pending[Value]"], object]) -> None:
        try:
            fn(self)
        except BaseException:  # SystemExit, too, would end the thread that all callers depend on
            logger.exception("%r: a callback raised", self)

    def _wait(self, timeout: float | None) -> None:
        if self.done():
            return
        self._owner.check_wait()
        deadline = Deadline(timeout, time.monotonic)
        self._owner.read_for(self, deadline)
        try:
            super().exception(deadline.remaining())
        except TimeoutError:
            if timeout is None:
                raise  # raised by something else, such as a signal handler
            raise self.late(timeout) from None


class Question(QuestionTicket, Pending[JobStatus | bytes]):
    """A request for an echo or a status, sent to one server."""


class BackgroundSubmission(BackgroundTicket, Pending[Handle]):
    """A background job on its way to a server."""


class SubmittedJob(JobTicket[ResultT], Pending[ResultT]):
    """A foreground job: a future of its result, and a stream of its events.

    The result is the one that the worker sends at the end; parts of the result that it sends before come in the stream
    only. A stream keeps up to 64 MiB of unread events; with more of them its events are lost, and reading it raises
    `EventsLost`. Results and parts are decoded in the thread that reads them.
    """

    def __init__(
        self,
        owner: TicketOwner,
        submission: Submission,
        options: ClientOptions[Any, ResultT],
        *,
        stream: bool = True,
    ) -> None:
        super().__init__(owner, submission, options)
        self._stream = EventStream(options.max_unread) if stream else None

    def result(self, timeout: float | None = None) -> ResultT:
        """Return the result, or raise the error in its place.

        Args:
            timeout: Seconds to wait; by default without a limit.

        Raises:
            JobFailed: The job ended with WORK_FAIL.
            JobException: The worker's function raised an exception.
            JobTimeout: The job did not end in time. It may still run, and can be waited for again.
            CodecError: The codec cannot decode the result.
        """
        return self._result_of(cast(bytes, super().result(timeout)))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error in place of the result, or ``None``."""
        error = super().exception(timeout)
        return self._error_of(cast(bytes, super().result())) if error is None else error

    def __iter__(self) -> Iterator[UserEvent[ResultT]]:
        return self.events()

    def events(self, timeout: float | None = None) -> Generator[UserEvent[ResultT], None, ResultT]:
        """Yield the events of the job until it ends, then raise its error if it ends with one.

        The generator returns the result.

        Args:
            timeout: Seconds for all of them.

        Raises:
            JobTimeout: The job did not end in time; it goes on, and its events can be read further.
            EventsLost: The job sent more events than a stream keeps unread.
        """
        deadline = Deadline(timeout, time.monotonic).at
        while self._stream is not None:
            self.check_wait()
            event = self._stream.get(deadline)
            if event is None:
                break
            yield self._event_of(event)
        return self.result()

    def put(self, event: JobEvent) -> None:
        if self._stream is not None:
            self._stream.put(event)

    def end(self) -> None:
        if self._stream is not None:
            self._stream.end()


def as_completed(jobs: Iterable[JobT], timeout: float | None = None) -> Iterator[JobT]:
    """Yield jobs as they end, with a result or an error.

    Args:
        jobs: A collection, which is waited for as a whole; or an iterator, of which up to 100 jobs are taken at a time,
            so that it may be endless and may submit its jobs as they are taken.
        timeout: Seconds for all of them.

    Raises:
        JobTimeout: Some jobs have not ended in time.
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
    awaited = set(itertools.islice(jobs, MAX_IN_FLIGHT))
    while awaited:
        for job in awaited:
            job.check_wait()
        done, _ = futures.wait(awaited, deadline.remaining(), futures.FIRST_COMPLETED)
        if not done:
            raise JobTimeout(f"{len(awaited)} jobs had not ended in time")
        for job in cast(set[JobT], done):  # `wait` returns the jobs that it was given
            awaited.remove(job)
            yield job
            awaited.update(itertools.islice(jobs, 1))
