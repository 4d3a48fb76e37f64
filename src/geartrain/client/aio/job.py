# SPDX-License-Identifier: MIT
"""What an asyncio client waits for: a job's end, a background job's handle, the answer to a question.

Each can be awaited by any number of tasks, and is at the same time the ticket that its session gives back with the
events. A task that is cancelled while it waits leaves the others, and the job, alone.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Collection, Generator, Iterable
from typing import Any, Generic, Protocol, TypeVar

from geartrain.client import ticket
from geartrain.client.aio.source import feed
from geartrain.client.aio.stream import EventStream
from geartrain.client.deadline import Deadline
from geartrain.client.request import Submission
from geartrain.client.ticket import BackgroundTicket, JobTicket, QuestionTicket, Ticket, UserEvent
from geartrain.codec import Codec
from geartrain.errors import CodecError, GeartrainError, JobTimeout
from geartrain.records import Handle, JobEvent, JobStatus, ResultT

__all__ = ["AsyncSubmittedJob", "BackgroundSubmission", "TicketOwner", "Pending", "Question", "as_completed"]

WINDOW = 100  # jobs that `as_completed` takes at a time of an input whose end it does not know

Value = TypeVar("Value")
JobT = TypeVar("JobT", bound="AsyncSubmittedJob[Any]")


class TicketOwner(ticket.TicketOwner, Protocol):
    """Where tickets belong: it sends them, hears of them and knows the loop that they live in."""

    loop: asyncio.AbstractEventLoop


class Pending(Ticket, Generic[Value]):
    """Something to await, which a session fulfils."""

    _home: TicketOwner

    def __init__(self, home: TicketOwner) -> None:
        super().__init__(home)
        self._ended = asyncio.Event()
        self._value: Any = None
        self._error: GeartrainError | None = None
        self._callbacks: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def cancel(self) -> bool:
        """Return ``False``: what has been sent cannot be called back."""
        return False

    def succeed(self, value: Any) -> None:
        self._value = value
        self._end()

    def fail(self, error: GeartrainError) -> None:
        self._error = error
        self._end()

    async def result(self, timeout: float | None = None) -> Value:
        """Return the value, or raise the error that came in its place."""
        await self._wait(timeout)
        if self._error is not None:
            raise self._error
        value: Value = self._value
        return value

    async def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error that came in place of the value, or ``None`` if there was none."""
        await self._wait(timeout)
        return self._error

    def __await__(self) -> Generator[Any, None, Value]:
        return self.result().__await__()

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Have the loop call ``fn`` with this once it has ended; what it raises goes to the loop's handler."""
        if self.done():
            self._home.loop.call_soon(fn, self)
        else:
            self._callbacks.append(fn)

    def _end(self) -> None:
        self._ended.set()
        for callback in self._callbacks:
            self._home.loop.call_soon(callback, self)
        self._callbacks.clear()

    async def _wait(self, timeout: float | None) -> None:
        if self.done():
            return
        if timeout is None:
            await self._ended.wait()
            return
        try:
            async with asyncio.timeout_at(Deadline(timeout, self._home.loop.time).at):
                await self._ended.wait()
        except TimeoutError:
            raise self.late(timeout) from None


class Question(QuestionTicket, Pending[JobStatus | bytes]):
    """An echo or a status, asked of one server."""


class BackgroundSubmission(BackgroundTicket, Pending[Handle]):
    """A background job on its way to a server."""


class AsyncSubmittedJob(JobTicket[ResultT], Pending[ResultT]):
    """A foreground job: to be awaited for its result, and to be iterated over for what it says on the way.

    The result is what the worker sent to end the job; parts that it sent ahead come in the stream only. A stream keeps
    up to 64 MiB that nobody has read; beyond that it is lost, which whoever reads it is told. Results and parts are
    decoded by the task that asks for them.
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
        self._decoded_value: tuple[ResultT] | None = None

    async def result(self, timeout: float | None = None) -> ResultT:
        """Return the result, or raise the error that came in its place.

        Args:
            timeout: Seconds to wait; by default as long as it takes.

        Raises:
            JobFailed: The worker said so.
            JobException: The worker raised an exception.
            JobTimeout: The job took longer. It may still run, and can be waited for again.
            CodecError: The codec cannot read the result.
        """
        data: Any = await super().result(timeout)
        if self._decoded_value is None:
            self._decoded_value = (self._codec.decode(data),)
        return self._decoded_value[0]

    async def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the error that came in place of the result, or ``None`` if there was none."""
        error = await super().exception(timeout)
        if error is None:
            try:
                await self.result()
            except CodecError as unreadable:
                return unreadable
        return error

    def __aiter__(self) -> AsyncIterator[UserEvent[ResultT]]:
        return self.events()

    async def events(self, timeout: float | None = None) -> AsyncGenerator[UserEvent[ResultT], None]:
        """Yield what the job says until it ends, then raise its error if that is how it ends.

        Args:
            timeout: Seconds for all of it.

        Raises:
            JobTimeout: The job took longer; it goes on, and the stream can be taken up again.
            EventsLost: It sent more than a stream keeps.
        """
        deadline = Deadline(timeout, self._home.loop.time).at
        while self._stream is not None:
            event = await self._stream.get(deadline)
            if event is None:
                break
            yield self._decoded(event)
        await self.result()

    def put(self, event: JobEvent) -> None:
        if self._stream is not None:
            self._stream.put(event)

    def end(self) -> None:
        if self._stream is not None:
            self._stream.end()


async def as_completed(
    jobs: Iterable[JobT] | AsyncIterable[JobT], timeout: float | None = None
) -> AsyncGenerator[JobT, None]:
    """Yield jobs as they end, whether well or badly.

    Args:
        jobs: A collection, which is waited for as a whole, or an iterator of either kind, of which some 100 jobs are
            taken at a time: so it may have no end, and may submit its jobs when it is asked for them.
        timeout: Seconds for all of them.

    Raises:
        JobTimeout: Some had not ended after so many seconds.
    """
    ended: asyncio.Queue[JobT | None] = asyncio.Queue()
    room = asyncio.Semaphore((len(jobs) or 1) if isinstance(jobs, Collection) else WINDOW)
    awaited: set[JobT] = set()

    async def watch(job: JobT) -> None:
        awaited.add(job)
        job.add_done_callback(ended.put_nowait)

    ends = Deadline(timeout, asyncio.get_running_loop().time).at
    feeder = asyncio.create_task(feed(jobs, room, watch))
    feeder.add_done_callback(lambda _: ended.put_nowait(None))  # perhaps that was the last thing to wait for
    try:
        while awaited or not feeder.done():
            try:
                async with asyncio.timeout_at(ends):
                    job = await ended.get()
            except TimeoutError:
                raise JobTimeout(f"{len(awaited)} jobs had not ended in time") from None
            if job is not None:
                awaited.discard(job)
                yield job
                room.release()
        await feeder  # to raise what the source raised
    finally:
        feeder.cancel()
