# SPDX-License-Identifier: MIT
"""Jobs, handles and answers that threads wait for. The twin of this module is `geartrain.client.aio.job`.

Each is a future, and at the same time the ticket that its session returns with the events. One thread at a time handles
a ticket: the one that places it with a server, or the receiving thread while a session has it. No other thread ends it,
so it ends once.

They are not ``concurrent.futures.Future`` objects, whose threads share a condition: a signal handler that raises in one
of them can leave its lock held. Here the outcome is one assignment, and each thread waits for its own latch.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar, cast

from geartrain.client.buffer import EventBuffer
from geartrain.client.deadline import Deadline
from geartrain.client.options import ClientOptions
from geartrain.client.request import MAX_IN_FLIGHT, Submission
from geartrain.client.sync.stream import EventStream
from geartrain.client.ticket import (
    BackgroundTicket,
    JobTicket,
    QuestionTicket,
    Ticket,
    UserEvent,
    check_unknown,
    own_copy,
)
from geartrain.client.ticket import TicketOwner as AnyTicketOwner
from geartrain.errors import GeartrainError, JobTimeout, ServerError
from geartrain.lazy import LazyLogger
from geartrain.records import Handle, JobEvent, JobStatus, ResultT
from geartrain.transport import Latch
from geartrain.wording import counted

__all__ = [
    "BackgroundSubmission",
    "Pending",
    "Question",
    "SubmittedJob",
    "TicketOwner",
    "as_completed",
    "in_order_of_end",
]

logger = LazyLogger("geartrain.client")

Value = TypeVar("Value")
JobT = TypeVar("JobT", bound="SubmittedJob[Any]")


class TicketOwner(AnyTicketOwner, Protocol):
    """The connections that a ticket is sent on, and the threads that may wait for them."""

    def check_wait(self) -> None:
        """Raise if the current thread would wait for ever."""

    def read_for(self, ticket: Ticket, deadline: Deadline) -> None:
        """Receive what a ticket waits for, if no other thread does."""

    def call_back(self, call: Callable[[], object]) -> None:
        """Call a function in the thread that receives."""

    def cancel(self, handle: Handle) -> None:
        """Cancel a job."""


class _Watcher(Protocol):
    """An object that is notified when something ends, perhaps twice."""

    def set(self) -> None: ...


class _Callback(Generic[Value]):
    """A function to be called once, by the thread that removes it from the list of those that remain."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[["Pending[Value]"], object]) -> None:
        self.function = function


class Pending(Ticket, Generic[Value]):
    """A future that a session fulfils."""

    _owner: TicketOwner

    def __init__(self, owner: TicketOwner) -> None:
        super().__init__(owner)
        self._outcome: tuple[Any, GeartrainError | None] | None = None
        self._watchers: list[_Watcher] = []
        self._callbacks: deque[_Callback[Value]] = deque()

    def done(self) -> bool:
        """Return True if it has ended."""
        return self._outcome is not None

    def succeed(self, value: Any) -> None:
        self._end(value, None)

    def fail(self, error: GeartrainError) -> None:
        self._end(None, error)

    def result(self, timeout: float | None = None) -> Value:
        """Return the value, or raise the error in its place."""
        value, error = self._wait(timeout)
        if error is not None:
            raise own_copy(error)
        return cast(Value, value)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error in place of the value, or ``None``."""
        return self._wait(timeout)[1]

    def check_wait(self) -> None:
        """Raise if the current thread must not wait for the end."""
        if not self.done():
            self._owner.check_wait()

    def add_done_callback(self, fn: Callable[["Pending[Value]"], object]) -> None:
        """Call ``fn`` with this object at its end, or now if it has ended.

        The client's receiving thread makes the call: the function may submit jobs, but must not wait. An exception is
        logged. If this object has ended already, the current thread makes the call, and exceptions that end a program,
        such as KeyboardInterrupt, are raised.
        """
        callback = _Callback(fn)
        self._callbacks.append(callback)
        if self.done():
            try:
                self._callbacks.remove(callback)
            except ValueError:
                return  # the other thread calls it
            self._call(callback)

    def watch(self, watcher: _Watcher) -> None:
        """Set a latch at the end, or now if it has ended."""
        self._watchers.append(watcher)
        if self.done():
            watcher.set()

    def _end(self, value: Any, error: GeartrainError | None) -> None:
        """End, once; a further call completes one that was interrupted."""
        if self._outcome is None:
            self._outcome = value, error
        for watcher in self._watchers.copy():
            watcher.set()
        if self._callbacks:
            self._owner.call_back(self._call_all)

    def _call_all(self) -> None:
        while self._callbacks:
            try:
                callback = self._callbacks.popleft()
            except IndexError:
                return  # the thread that added it calls it
            try:
                self._call(callback)
            except BaseException:  # SystemExit, too, would end the thread that all callers depend on
                logger.exception("%r: a callback raised", self)

    def _call(self, callback: _Callback[Value]) -> None:
        try:
            callback.function(self)
        except Exception:
            logger.exception("%r: a callback raised", self)

    def _wait(self, timeout: float | None) -> tuple[Any, GeartrainError | None]:
        if self._outcome is None:
            self._owner.check_wait()
            deadline = Deadline(timeout, time.monotonic)
            self._owner.read_for(self, deadline)
            latch = Latch()
            self._watchers.append(latch)
            if self._outcome is None:
                latch.wait(deadline.remaining())
            self._watchers.remove(latch)
        if self._outcome is None:
            assert timeout is not None, "a wait without a limit ends with an outcome"
            raise self.late(timeout)
        return self._outcome


class Question(QuestionTicket, Pending[JobStatus | bytes]):
    """A request for an echo or a status, sent to one server."""


class BackgroundSubmission(BackgroundTicket, Pending[Handle]):
    """A background job on its way to a server."""


class SubmittedJob(JobTicket[ResultT], Pending[ResultT]):
    """A foreground job: a future of its result, and a stream of its events.

    The result is the one that the worker sends at the end. Parts of the result that it sends earlier are only in the
    stream. A stream keeps up to 64 MiB of unread events; beyond that its events are lost, and reading it raises
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
        self._accepted: list[_Watcher] = []

    def created(self, timeout: float | None = None) -> Handle:
        """Wait until a server has accepted the job, and return its handle.

        Args:
            timeout: Seconds to wait; by default without a limit.

        Raises:
            JobTimeout: No server has accepted the job in time.
            ServerError: The server rejected the job.
            NoServerAvailable: No server can be reached.
            ConnectionLost: The connection was lost.
        """
        if self._is_on_its_way():
            self._owner.check_wait()
            latch = Latch()
            self._accepted.append(latch)
            self._watchers.append(latch)
            if self._is_on_its_way():
                latch.wait(timeout)
        if self._handle is None:
            super().result(0.0)  # raises
        assert self._handle is not None, "a job without a handle has no result"
        return self._handle

    def cancel(self) -> bool:
        """Cancel the job, also for all others that wait for it; return False if it has ended already.

        It ends with `JobFailed`. If it waits, it is never done. A worker that runs it is not told, and its result is
        dropped. To end a wait alone, give it a timeout.

        Raises:
            ServerError: The server does not allow it.
            NoServerAvailable: The server cannot be reached.
        """
        self.check_wait()
        try:
            handle = self.created()
        except GeartrainError:
            return False  # no server has accepted it
        if self.done():
            return False
        try:
            self._owner.cancel(handle)
        except ServerError as error:
            check_unknown(error)
            return False
        return True

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

        The generator returns the result. If there are several at a time, each gets all events from its first one on. A
        generator that begins when there is no other one continues where the last one stopped.

        Args:
            timeout: Seconds for all of them.

        Raises:
            JobTimeout: The job did not end in time; it goes on, and its events can be read further.
            EventsLost: The job sent more events than a stream keeps unread.
        """
        deadline = Deadline(timeout, time.monotonic).at
        stream = self._stream
        if stream is not None:
            reader = stream.open()
            try:
                while (event := self._next_event(stream, reader, deadline, timeout)) is not None:
                    yield self._event_of(event)
            finally:
                stream.close(reader)
        return self.result()

    def _next_event(
        self, stream: EventStream, reader: EventBuffer, deadline: float | None, timeout: float | None
    ) -> JobEvent | None:
        self.check_wait()
        try:
            return stream.get(reader, deadline)
        except JobTimeout:
            assert timeout is not None, "without a timeout there is no deadline"
            raise self.late(timeout) from None

    def _is_on_its_way(self) -> bool:
        return self._handle is None and not self.done()

    @property
    def failure(self) -> GeartrainError | None:
        return None if self._outcome is None else self._outcome[1]

    def accepted(self) -> None:
        for watcher in self._accepted:
            watcher.set()

    def put(self, event: JobEvent) -> None:
        if self._stream is not None:
            self._stream.put(event)
        else:
            self._keep(event)

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
    yield from (
        _whole(jobs, deadline)
        if isinstance(jobs, Collection)
        else in_order_of_end(iter(jobs), lambda: deadline, MAX_IN_FLIGHT)
    )


class _Endings(Generic[JobT]):
    """Jobs, in the order in which they end; for one thread that waits.

    Attributes:
        open: The jobs that have not been taken yet.
    """

    def __init__(self) -> None:
        self.open: set[JobT] = set()
        self._ended: deque[JobT] = deque()
        self._latch = Latch()

    def add(self, job: JobT) -> None:
        self.open.add(job)
        job.watch(_Ending(self, job))

    def ended(self, job: JobT) -> None:
        self._ended.append(job)
        self._latch.set()

    def take(self, deadline: Deadline) -> JobT:
        """Wait for the next job that ends, and return it."""
        while True:
            while self._ended:
                job = self._ended.popleft()
                if job in self.open:
                    self.open.remove(job)
                    return job
            self._latch = Latch()
            if not self._ended and not self._latch.wait(deadline.remaining()):
                raise JobTimeout(f"{counted(len(self.open), 'job')} had not ended in time")


class _Ending(Generic[JobT]):
    """Tells that one job has ended."""

    __slots__ = ("_endings", "_job")

    def __init__(self, endings: _Endings[JobT], job: JobT) -> None:
        self._endings = endings
        self._job = job

    def set(self) -> None:
        self._endings.ended(self._job)


def _whole(jobs: Collection[JobT], deadline: Deadline) -> Iterator[JobT]:
    for job in jobs:
        job.check_wait()
    endings: _Endings[JobT] = _Endings()
    for job in set(jobs):
        endings.add(job)
    while endings.open:
        yield endings.take(deadline)


def in_order_of_end(jobs: Iterator[JobT], deadline: Callable[[], Deadline], limit: int) -> Iterator[JobT]:
    """Yield jobs of an iterator as they end.

    Args:
        jobs: The jobs; they are submitted as they are taken.
        deadline: Returns the end of the wait for the next one.
        limit: The number of jobs that are taken at a time.
    """
    endings: _Endings[JobT] = _Endings()
    for job in itertools.islice(jobs, limit):
        endings.add(job)
    while endings.open:
        for job in endings.open:
            job.check_wait()
        yield endings.take(deadline())
        for job in itertools.islice(jobs, 1):
            endings.add(job)
