# SPDX-License-Identifier: MIT
"""Jobs, handles and answers that tasks wait for. The twin of this module is `geartrain.client.sync.job`.

Each can be awaited by any number of tasks, and is at the same time the ticket that its session returns with the events.
A task that is cancelled while it waits does not affect the others, nor the job.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Collection, Generator, Iterable
from typing import Any, Generic, Protocol, TypeVar, cast

from geartrain.client.aio.source import feed
from geartrain.client.aio.stream import EventStream
from geartrain.client.buffer import EventBuffer
from geartrain.client.deadline import Deadline
from geartrain.client.options import ClientOptions
from geartrain.client.request import MAX_IN_FLIGHT, Submission
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
from geartrain.records import Handle, JobEvent, JobStatus, ResultT
from geartrain.wording import counted

__all__ = ["AsyncSubmittedJob", "BackgroundSubmission", "Pending", "Question", "TicketOwner", "as_completed"]

Value = TypeVar("Value")
JobT = TypeVar("JobT", bound="AsyncSubmittedJob[Any]")


class TicketOwner(AnyTicketOwner, Protocol):
    """The connections that a ticket is sent on, and their event loop."""

    loop: asyncio.AbstractEventLoop

    async def cancel(self, handle: Handle) -> None:
        """Cancel a job."""


class Pending(Ticket, Generic[Value]):
    """An awaitable that a session fulfils."""

    _owner: TicketOwner

    def __init__(self, owner: TicketOwner) -> None:
        super().__init__(owner)
        self._ended = asyncio.Event()
        self._outcome: tuple[Any, GeartrainError | None] | None = None
        self._callbacks: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        """Return True if it has ended."""
        return self._outcome is not None

    def succeed(self, value: Any) -> None:
        self._end(value, None)

    def fail(self, error: GeartrainError) -> None:
        self._end(None, error)

    async def result(self, timeout: float | None = None) -> Value:
        """Return the value, or raise the error in its place."""
        value, error = await self._wait(timeout)
        if error is not None:
            raise own_copy(error)
        return cast(Value, value)

    async def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error in place of the value, or ``None``."""
        return (await self._wait(timeout))[1]

    def __await__(self) -> Generator[Any, None, Value]:
        return self.result().__await__()

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Call ``fn`` with this object at its end, or now if it has ended.

        The call happens in the event loop, in a turn of its own. An exception goes to the loop's handler.
        """
        if self.done():
            self._owner.loop.call_soon(fn, self)
        else:
            self._callbacks.append(fn)

    def _end(self, value: Any, error: GeartrainError | None) -> None:
        """End, once; a further call completes one that was interrupted."""
        if self._outcome is None:
            self._outcome = value, error
        self._ended.set()
        for callback in self._callbacks:
            self._owner.loop.call_soon(callback, self)
        self._callbacks.clear()

    async def _wait(self, timeout: float | None) -> tuple[Any, GeartrainError | None]:
        if self._outcome is None:
            try:
                async with asyncio.timeout_at(Deadline(timeout, self._owner.loop.time).at):
                    await self._ended.wait()
            except TimeoutError:
                if timeout is None:
                    raise  # raised by a signal handler
                raise self.late(timeout) from None
        assert self._outcome is not None, "it is set before the event"
        return self._outcome


class Question(QuestionTicket, Pending[JobStatus | bytes]):
    """A request for an echo or a status, sent to one server."""


class BackgroundSubmission(BackgroundTicket, Pending[Handle]):
    """A background job on its way to a server."""


class AsyncSubmittedJob(JobTicket[ResultT], Pending[ResultT]):
    """A foreground job: awaited for its result, and iterated over for its events.

    See `SubmittedJob` for the stream. Results and parts are decoded in the task that reads them.
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
        self._accepted = asyncio.Event()

    async def created(self, timeout: float | None = None) -> Handle:
        """Wait until a server has accepted the job, and return its handle.

        See `SubmittedJob.created`.
        """
        if self._handle is None and not self.done():
            try:
                async with asyncio.timeout_at(Deadline(timeout, self._owner.loop.time).at):
                    await self._accepted.wait()
            except TimeoutError:
                if timeout is None:
                    raise  # raised by a signal handler
                raise self.late(timeout) from None
        if self._handle is None:
            await super().result()  # raises
        assert self._handle is not None, "a job without a handle has no result"
        return self._handle

    async def cancel(self) -> bool:
        """Cancel the job, also for all others that wait for it; return False if it has ended already.

        See `SubmittedJob.cancel`.
        """
        try:
            handle = await self.created()
        except GeartrainError:
            return False  # no server has accepted it
        if self.done():
            return False
        try:
            await self._owner.cancel(handle)
        except ServerError as error:
            check_unknown(error)
            return False
        return True

    async def result(self, timeout: float | None = None) -> ResultT:
        """Return the result, or raise the error in its place.

        See `SubmittedJob.result`.
        """
        return self._result_of(cast(bytes, await super().result(timeout)))

    async def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error in place of the result, or ``None``."""
        error = await super().exception(timeout)
        return self._error_of(cast(bytes, await super().result())) if error is None else error

    def __aiter__(self) -> AsyncIterator[UserEvent[ResultT]]:
        return self.events()

    async def events(self, timeout: float | None = None) -> AsyncGenerator[UserEvent[ResultT], None]:
        """Yield the events of the job until it ends, then raise its error if it ends with one.

        See `SubmittedJob.events`.
        """
        deadline = Deadline(timeout, self._owner.loop.time).at
        stream = self._stream
        if stream is not None:
            reader = stream.open()
            try:
                while (event := await self._next_event(stream, reader, deadline, timeout)) is not None:
                    yield self._event_of(event)
            finally:
                stream.close(reader)
        await self.result()

    async def _next_event(
        self, stream: EventStream, reader: EventBuffer, deadline: float | None, timeout: float | None
    ) -> JobEvent | None:
        try:
            return await stream.get(reader, deadline)
        except JobTimeout:
            assert timeout is not None, "without a timeout there is no deadline"
            raise self.late(timeout) from None

    @property
    def failure(self) -> GeartrainError | None:
        return None if self._outcome is None else self._outcome[1]

    def accepted(self) -> None:
        self._accepted.set()

    def put(self, event: JobEvent) -> None:
        if self._stream is not None:
            self._stream.put(event)
        else:
            self._keep(event)

    def end(self) -> None:
        self._accepted.set()
        if self._stream is not None:
            self._stream.end()


async def as_completed(
    jobs: Iterable[JobT] | AsyncIterable[JobT], timeout: float | None = None
) -> AsyncGenerator[JobT, None]:
    """Yield jobs as they end, with a result or an error.

    See `geartrain.as_completed`. An iterator may be asynchronous.
    """
    ended: asyncio.Queue[JobT | None] = asyncio.Queue()
    room = asyncio.Semaphore((len(jobs) or 1) if isinstance(jobs, Collection) else MAX_IN_FLIGHT)
    awaited: set[JobT] = set()

    async def watch(job: JobT) -> None:
        awaited.add(job)
        job.add_done_callback(ended.put_nowait)

    ends = Deadline(timeout, asyncio.get_running_loop().time).at
    feeder = asyncio.create_task(feed(jobs, room, watch))
    feeder.add_done_callback(lambda _: ended.put_nowait(None))  # it may be the last event
    try:
        while awaited or not feeder.done():
            try:
                async with asyncio.timeout_at(ends):
                    job = await ended.get()
            except TimeoutError:
                raise JobTimeout(f"{counted(len(awaited), 'job')} had not ended in time") from None
            if job is not None:
                awaited.discard(job)
                yield job
                room.release()
        await feeder  # to raise the exceptions of the source
    finally:
        feeder.cancel()
