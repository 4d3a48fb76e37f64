# SPDX-License-Identifier: MIT
"""The blocking client."""

import copy
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast, overload

from geartrain.client.batch import BatchSubmission
from geartrain.client.cron import cron_of
from geartrain.client.deadline import Deadline
from geartrain.client.options import ClientBase
from geartrain.client.remote import ParametersT, Remote, ReturnT, signature_of
from geartrain.client.request import Delay, Moment, Submission, epoch_seconds, handle_bytes, submission, unique_bytes
from geartrain.client.session import Session
from geartrain.client.sync.function import Binding, RemoteFunction
from geartrain.client.sync.job import BackgroundSubmission, Question, SubmittedJob
from geartrain.client.sync.pool import ConnectionPool
from geartrain.client.ticket import Ticket
from geartrain.codec import Codec
from geartrain.cron import CronFields
from geartrain.errors import ConnectionLost
from geartrain.names import Text
from geartrain.records import NOTHING, Handle, JobRequest, JobStatus, Nothing, Priority, ResultT, ValueT

__all__ = ["Client"]

OtherValueT = TypeVar("OtherValueT")
OtherResultT = TypeVar("OtherResultT")

MAX_IN_FLIGHT = 100  # jobs of one `map`: enough to hide the way to the server, few enough for anyone's memory


class Client(ClientBase[ValueT, ResultT], Generic[ValueT, ResultT]):
    """Submits jobs, and waits for them where that is wanted.

    Threads may share a client. A forked child may go on using one, with connections of its own. `AsyncClient` is the
    same for programs with an event loop.

    ::

        with Client("localhost") as client:
            print(client.do("reverse", "Hello World!").decode())
    """

    def _set_up(self) -> None:
        self._origin: Client[Any, Any] | None = None  # whose connections it uses, if they are not its own
        self._hubs: dict[int, ConnectionPool] = {}  # by process: at most ours, and right after a fork the parent's
        self._let_go = weakref.finalize(self, _close_hubs, self._hubs)  # also for a client that nobody closes

    def __repr__(self) -> str:
        state = "" if self._let_go.alive else " (closed)"
        return f"<Client {', '.join(map(str, self._options.addresses))}{state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; whatever waits ends with `ConnectionLost`, as does every later call."""
        if self._origin is not None:
            self._origin.close()
            return
        hubs = list(self._hubs.values())
        self._let_go()
        for hub in hubs:
            hub.join()

    # Jobs

    def do(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        retries: int = 0,
    ) -> ResultT:
        """Have a job done and return its result.

        Args:
            function: Who is to do it.
            workload: What it gets: text, which travels as UTF-8, or bytes, or what the client's codec takes.
            unique: Jobs of one function with the same unique are one job for as long as it is not done.
            priority: Its place among the jobs that wait.
            timeout: Seconds to wait; by default as long as it takes.
            retries: How often to start anew when the connection to the server is lost.

        Raises:
            JobFailed: The worker said so.
            JobException: The worker raised an exception.
            JobTimeout: The job took too long. It may still run.
            ServerError: The server refused it.
            ConnectionLost: The server went away with the job.
            NoServerAvailable: There is none to ask.
            CodecError: The codec cannot read the result.
        """
        deadline = Deadline(timeout, time.monotonic)
        hub = self._hub()
        job = self._job(hub, JobRequest(function, workload, unique, priority, retries), stream=False)
        try:
            hub.place([job], until=deadline.at, reads=True)
            return job.result(deadline.remaining())
        finally:
            job.abandon()
            hub.give_back()

    def submit(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        retries: int = 0,
    ) -> SubmittedJob[ResultT]:
        """Submit a job and return at once; see `do` for the arguments. What goes wrong, its result will tell."""
        [job] = self._submit([JobRequest(function, workload, unique, priority, retries)])
        return job

    def submit_many(self, requests: Iterable[JobRequest]) -> list[SubmittedJob[ResultT]]:
        """Submit jobs with one write for all that go to the same server."""
        return self._submit(requests)

    def submit_background(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        at: Moment | None = None,
        delay: Delay | None = None,
        cron: str | None = None,
        timeout: float | None = None,
    ) -> Handle:
        """Leave a job with a server and return its handle once the server has it.

        Args:
            function: Who is to do it.
            workload: What it gets: text, which travels as UTF-8, or bytes, or what the client's codec takes.
            unique: As in `do`; by default one that nothing else has.
            priority: Its place among the jobs that wait; not for jobs with ``at``, ``delay`` or ``cron``.
            at: When to start it at the earliest, as a ``datetime`` with a time zone or in seconds since 1970.
            delay: The same from now on, in seconds or as a ``timedelta``.
            cron: When to start it again and again: five fields such as ``"*/5 * * * *"``, or ``"@daily"``, in the time
                zone of the server. Another submission of the same function with the same unique, by default the same
                workload, changes it; ``AdminClient`` lists such jobs, and cancels them by the handle.
            timeout: Seconds to wait for the handle; by default each server has `reply_timeout` to answer.

        Raises:
            ServerError: The server refused it, such as for a full queue.
            ReplyTimeout: There was no answer in time. The server may have the job all the same.
            NoServerAvailable: There is none to ask.
            ValueError: The job's time is no moment in time.
        """
        deadline = Deadline(timeout, time.monotonic)
        hub = self._hub()
        wanted = JobRequest(function, workload, unique, priority)
        encoded = self._background(wanted, epoch_seconds(at, delay, time.time()), cron_of(cron, at, delay))
        job = BackgroundSubmission(hub, encoded, len(self._options.addresses))
        try:
            hub.place([job], until=deadline.at, reads=True)
            return job.result(deadline.remaining())
        finally:
            job.abandon()
            hub.give_back()

    def submit_background_many(self, requests: Iterable[JobRequest], *, timeout: float | None = None) -> list[Handle]:
        """Leave jobs with a server, with one write for all that go to the same one, and return their handles in order.

        Args:
            requests: The jobs; background jobs are not retried once a server has them, whatever they say.
            timeout: Seconds to wait for all the handles; by default each server has `reply_timeout` to answer.

        Raises:
            NotAllSubmitted: Some were not taken; it has what became of each.
        """
        deadline = Deadline(timeout, time.monotonic)
        hub = self._hub()
        ended = threading.Event()
        batch = BatchSubmission(hub, map(self._background, requests), len(self._options.addresses), ended.set)
        hub.place(batch.parts, until=deadline.at)
        try:
            if not ended.is_set():
                hub.check_wait()
            ended.wait(deadline.remaining())
        finally:
            batch.abandon()
        return batch.handles()

    def _background(self, wanted: JobRequest, epoch: int | None = None, cron: CronFields | None = None) -> Submission:
        options = self._options
        return submission(wanted, prefix=options.prefix, codec=options.codec, background=True, epoch=epoch, cron=cron)

    def map(
        self,
        function: Text,
        workloads: Iterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        retries: int = 0,
    ) -> Iterator[ResultT]:
        """Yield the results of one job for each workload, in order.

        Workloads are taken as results are, so there may be no end to them. The first job that fails ends it all. Jobs
        that are under way when the caller stops are left to themselves.

        Args:
            function: Who is to do it.
            workloads: What each gets.
            max_in_flight: How many jobs there are at a time, their unread results included.
            priority: Their place among the jobs that wait.
            timeout: Seconds to wait for each result once it is its turn.
            retries: As in `do`, for each.
        """
        requests = (JobRequest(function, workload, None, priority, retries) for workload in workloads)
        return self._map(requests, max_in_flight, timeout)

    def map_reduce(
        self,
        mapper: Text,
        reducer: Text,
        inputs: Iterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        timeout: float | None = None,
        retries: int = 0,
    ) -> Iterator[ResultT]:
        """Yield the results of one reduce job for each input, in order.

        The mapper, a function of the kind that `Worker.partition` makes, turns an input into parts; each part becomes
        a job of the reducer, so that many workers share the input; and the mapper's worker joins what becomes of them.
        That join is the result here. Nothing joins the results of different inputs, which may be without end: that is
        for the caller, such as by ``sum`` or ``functools.reduce``. Otherwise this is `map`.

        Args:
            mapper: Who makes parts of each input, and joins what becomes of them.
            reducer: Who does the parts.
            inputs: What each mapper's job gets.
            max_in_flight: How many inputs are under way at a time, their unread results included.
            timeout: Seconds to wait for each result once it is its turn.
            retries: As in `do`, for each input.
        """
        requests = (JobRequest(mapper, each, retries=retries, reducer=reducer) for each in inputs)
        return self._map(requests, max_in_flight, timeout)

    def _map(self, requests: Iterator[JobRequest], max_in_flight: int, timeout: float | None) -> Iterator[ResultT]:
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight is a number above 0, not {max_in_flight}")
        return self._in_order(requests, max_in_flight, timeout)

    def _in_order(self, requests: Iterator[JobRequest], max_in_flight: int, timeout: float | None) -> Iterator[ResultT]:
        jobs: deque[SubmittedJob[ResultT]] = deque()
        try:
            for request in requests:
                jobs.extend(self._submit([request], stream=False))
                if len(jobs) == max_in_flight:
                    yield jobs[0].result(timeout)
                    jobs.popleft()
            while jobs:
                yield jobs[0].result(timeout)
                jobs.popleft()
        finally:
            for job in jobs:
                job.abandon()

    def _submit(self, requests: Iterable[JobRequest], *, stream: bool = True) -> list[SubmittedJob[ResultT]]:
        hub = self._hub()
        jobs = [self._job(hub, each, stream=stream) for each in requests]
        hub.place(jobs)
        return jobs

    def _job(self, hub: ConnectionPool, wanted: JobRequest, *, stream: bool = True) -> SubmittedJob[ResultT]:
        options = self._options
        encoded = submission(wanted, prefix=options.prefix, codec=options.codec)
        return SubmittedJob(hub, encoded, len(options.addresses), options.codec, stream=stream)

    # Values

    def with_codec(self, codec: Codec[OtherValueT, OtherResultT]) -> "Client[OtherValueT, OtherResultT]":
        """Return a client with the same connections, for values that travel in another way."""
        twin: Client[Any, Any] = copy.copy(self)
        twin._options = replace(self._options, codec=cast(Codec[Any, Any], codec))
        twin._origin = self
        return twin

    @overload
    def function(self, function: Remote[ParametersT, ReturnT], /) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def function(
        self, function: Callable[ParametersT, Coroutine[Any, Any, ReturnT]], /
    ) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def function(self, function: Callable[ParametersT, ReturnT], /) -> RemoteFunction[ParametersT, ReturnT]: ...
    @overload
    def function(self, name: str, /) -> Binding: ...
    def function(self, function: Callable[..., Any] | Remote[..., Any] | str, /) -> RemoteFunction[..., Any] | Binding:
        """Have a function that workers know called by this client, with its own arguments.

        ::

            @client.function
            def resize(image_id: int, width: int = 200) -> str:
                raise NotImplementedError  # workers have the real one

            resize.do(7, width=100)

        Args:
            function: Something with its signature, which is never called: a stub, or what `Worker.function` made where
                the worker's code can be imported. Or else the name, if it is not that of the stub.

        Raises:
            TypeError: An argument has no annotation, or one that JSON has no form for.
        """
        if isinstance(function, str):
            name = function
            return lambda stub: RemoteFunction(name, signature_of(stub, name), lambda: self)
        signature = signature_of(function)
        return RemoteFunction(signature.name, signature, lambda: self)

    # Questions

    def status(self, handle: Handle | str | None = None, *, unique: Text | None = None) -> JobStatus:
        """Ask for a job, by its handle or by its unique.

        A `Handle` knows the server to ask. For a unique, or a handle that is mere text, all servers are asked until one
        knows the job; those that are down know nothing.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        if (handle is None) == (unique is None):
            raise ValueError("a status is asked for by either a handle or a unique")
        name = handle_bytes(str(handle)) if handle is not None else b""
        key = unique_bytes(unique) if unique is not None else b""

        def compose(session: Session[Ticket], question: Question) -> bytes:
            return session.ask_status(name, question) if name else session.ask_unique(key, question)

        status = JobStatus()
        for answer in self._hub().ask(compose, handle.server if isinstance(handle, Handle) else ""):
            assert isinstance(answer, JobStatus), "the session matches answers to questions"
            status = answer
            if status.known:
                break
        return status

    def ping(self) -> float:
        """Return the seconds that an echo takes from the server that would get the next job.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        sent_at = 0.0

        def compose(session: Session[Ticket], question: Question) -> bytes:
            nonlocal sent_at
            sent_at = time.perf_counter()  # after connecting, which is no part of the way
            return session.echo(b"ping", question)

        next(self._hub().ask(compose))
        return time.perf_counter() - sent_at

    # Processes

    def _hub(self) -> ConnectionPool:
        """Return the connections of this process."""
        if self._origin is not None:
            return self._origin._hub()
        if not self._let_go.alive:
            raise ConnectionLost("the client is closed")
        process = os.getpid()
        hub = self._hubs.get(process)
        if hub is None:
            # Without a lock, which a fork could have left locked for ever; this is atomic all the same.
            hub = self._hubs.setdefault(process, ConnectionPool(self._options))
            for other in [other for other in list(self._hubs) if other != process]:
                self._hubs.pop(other).close()
        return hub


def _close_hubs(hubs: dict[int, ConnectionPool]) -> None:
    for hub in list(hubs.values()):
        hub.close()
