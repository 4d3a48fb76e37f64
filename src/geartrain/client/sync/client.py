# SPDX-License-Identifier: MIT
"""The blocking client. Its twin is `geartrain.client.aio.client`."""

import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Never, Self, TypeVar, cast, overload

from geartrain.client.anyclient import AnyClient, admins_of
from geartrain.client.batch import BatchSubmission
from geartrain.client.deadline import Deadline, check_timeout
from geartrain.client.inquiry import Ping, StatusInquiry
from geartrain.client.remote import ParametersT, Remote, ReturnT
from geartrain.client.request import (
    MAX_IN_FLIGHT,
    Delay,
    Moment,
    Submission,
    check_in_flight,
    check_renamed,
    map_requests,
    reduce_requests,
)
from geartrain.client.sync.function import Binding, RemoteFunction
from geartrain.client.sync.job import BackgroundSubmission, SubmittedJob, in_order_of_end
from geartrain.client.sync.pool import ConnectionPool
from geartrain.codec import Codec
from geartrain.errors import ConnectionLost, JobError, JobTimeout, ServerError
from geartrain.names import Text
from geartrain.records import NOTHING, Handle, JobRequest, JobStatus, Nothing, Priority, ResultT, ValueT
from geartrain.transport import Latch

if TYPE_CHECKING:
    from geartrain.admin.sync import AdminClient

__all__ = ["Client"]

OtherValueT = TypeVar("OtherValueT")
OtherResultT = TypeVar("OtherResultT")


class Client(AnyClient[ValueT, ResultT], Generic[ValueT, ResultT]):
    """Submits jobs, and waits for their results on request.

    Threads may share a client. A forked child may go on using one, with connections of its own. `AsyncClient` is the
    same for programs with an event loop.

    ::

        with Client("localhost") as client:
            print(client.do("reverse", "Hello World!").decode())
    """

    def _set_up(self) -> None:
        self._pools: dict[int, ConnectionPool] = {}  # by process: ours, and right after a fork the parent's
        self._closer = weakref.finalize(self, _close_pools, self._pools)  # also for a client that is never closed

    def __repr__(self) -> str:
        pool = self._pools.get(os.getpid())
        return self._show(pool.states() if pool else {}, closed=not self._closer.alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; every wait ends with `ConnectionLost`, and so does every later call."""
        if self._origin is not None:
            self._origin.close()
            return
        pools = list(self._pools.values())
        for pool in pools:
            pool.close()
        self._closer()  # after that: an interrupted call leaves it for the next one
        for pool in pools:
            pool.join()

    # Jobs

    def do(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        resubmits: int = 0,
        **renamed: Never,
    ) -> ResultT:
        """Do a job and return its result.

        A function that sends its result in parts only, such as a generator, has them as its result: bytes are joined,
        and the values of a codec are a list.

        Args:
            function: The name of the function.
            workload: Its input: text (sent as UTF-8), bytes, or a value for the client's codec.
            unique: Submissions to a function with the same unique share one job until it has ended.
            priority: Its rank among waiting jobs.
            timeout: Seconds to wait; by default without a limit.
            resubmits: The number of times to submit the job again after the connection to the server was lost.

        Raises:
            JobFailed: The job ended with WORK_FAIL.
            JobException: The worker's function raised an exception.
            JobTimeout: The job did not end in time. It may still run.
            ServerError: The server rejected the job.
            ConnectionLost: The connection was lost after the server had accepted the job.
            NoServerAvailable: No server can be reached.
            CodecError: The codec cannot decode the result.
            EventsLost: The result consists of more parts than a client keeps.
        """
        check_renamed("do", renamed)
        deadline = Deadline(check_timeout(timeout), time.monotonic)

        def do(wanted: JobRequest) -> ResultT:
            pool = self._pool()
            job = self._job(pool, wanted, stream=False)
            try:
                pool.place([job], until=deadline.at, reads=True)
                return job.result(deadline.remaining())
            except JobTimeout:
                raise job.late(timeout) from None
            finally:
                job.abandon()
                pool.release()

        return self._through(do)(JobRequest(function, workload, unique, priority, resubmits))

    def submit(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        resubmits: int = 0,
        **renamed: Never,
    ) -> SubmittedJob[ResultT]:
        """Submit a foreground job, which ends with this program, and return at once; its result raises the errors.

        A foreground job is lost when its client or its server ends; `enqueue` submits a durable one. See `do`
        for the arguments.
        """
        check_renamed("submit", renamed)
        return self._submit(JobRequest(function, workload, unique, priority, resubmits))

    def submit_many(self, requests: Iterable[JobRequest]) -> list[SubmittedJob[ResultT]]:
        """Submit foreground jobs, with one write for each server."""
        pool = self._pool()

        def make(wanted: JobRequest) -> SubmittedJob[ResultT]:
            return self._job(pool, wanted)

        layered = self._through(make)
        jobs = [layered(each) for each in requests]
        pool.place(jobs)
        return jobs

    def enqueue(
        self,
        function: Text,
        workload: ValueT | Nothing = NOTHING,
        *,
        unique: Text | None = None,
        priority: Priority = Priority.NORMAL,
        at: Moment | None = None,
        delay: Delay | None = None,
        cron: str | None = None,
        timezone: str | None = None,
        timeout: float | None = None,
    ) -> Handle:
        """Submit a background job, which needs no client, and return its handle once a server has accepted it.

        Args:
            function: The name of the function.
            workload: Its input: text (sent as UTF-8), bytes, or a value for the client's codec.
            unique: As in `do`; by default a random one.
            priority: Its rank among waiting jobs. Servers other than Geartrain's start a job with ``at`` or ``delay``
                with normal priority.
            at: The earliest time to start it: a ``datetime`` with a time zone, or seconds since 1970. Geartrain's
                server starts it at that millisecond, others at the next whole second.
            delay: The time to wait before it may start, in seconds or as a ``timedelta``. It begins when the server
                gets the job; for other servers than Geartrain's, it is rounded up as ``at`` is.
            cron: A schedule to run it repeatedly: five fields such as ``"*/5 * * * *"``, or ``"@daily"``. A later
                submission to the same function with the same unique (by default, the same workload) replaces it.
                ``AdminClient`` lists such jobs, and cancels them by their handles.
            timezone: The name of the time zone of ``cron``, such as ``"Europe/Berlin"``; by default that of the server.
            timeout: Seconds to wait for the handle; by default each server has `reply_timeout` to answer.

        Raises:
            ServerError: The server rejected the job, for example because a queue is full, or as it does not know
                repeating jobs or the time zone.
            ReplyTimeout: There was no answer in time. The server may have accepted the job anyway.
            NoServerAvailable: No server can be reached.
            ValueError: The job's time is not valid.
        """
        deadline = Deadline(check_timeout(timeout), time.monotonic)

        def enqueue(wanted: JobRequest) -> Handle:
            pool = self._pool()
            submission = self._background(wanted, at, delay, cron, timezone)
            job = BackgroundSubmission(pool, submission, len(self._options.addresses))
            try:
                pool.place([job], until=deadline.at, reads=True)
                return job.result(deadline.remaining())
            finally:
                job.abandon()
                pool.release()

        return self._through(enqueue)(JobRequest(function, workload, unique, priority))

    submit_background = enqueue

    def submit_background_many(self, requests: Iterable[JobRequest], *, timeout: float | None = None) -> list[Handle]:
        """Submit background jobs, with one write for each server, and return their handles in order.

        Args:
            requests: The jobs; their ``resubmits`` do not apply, as a background job survives a lost connection.
            timeout: Seconds to wait for all the handles; by default each server has `reply_timeout` to answer.

        Raises:
            NotAllSubmitted: Servers did not accept all jobs; it has the outcome of each.
        """
        deadline = Deadline(check_timeout(timeout), time.monotonic)
        pool = self._pool()
        ended = Latch()
        submissions: list[Submission] = []

        def take(wanted: JobRequest) -> None:
            submissions.append(self._background(wanted))

        layered = self._through(take)
        for each in requests:
            layered(each)
        batch = BatchSubmission(pool, submissions, len(self._options.addresses), ended.set)
        try:
            pool.place(batch.tickets, until=deadline.at)
            if not ended.is_set:
                pool.check_wait()
            ended.wait(deadline.remaining())
        finally:
            batch.abandon()
        return batch.handles()

    def map(
        self,
        function: Text,
        workloads: Iterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        resubmits: int = 0,
        return_exceptions: bool = False,
    ) -> Iterator[ResultT]:
        """Yield the results of one job for each workload, in order.

        Workloads are taken as results are read, so they may be endless. The first job that fails ends the iteration.
        Jobs that are in flight when the caller stops are abandoned: they go on, and their results are dropped.

        Args:
            function: The name of the function.
            workloads: The input of each job. (For an `AsyncClient` also an asynchronous iterable.)
            max_in_flight: The number of jobs at a time, including unread results.
            priority: Their rank among waiting jobs.
            timeout: Seconds to wait for each result once it is its turn.
            resubmits: As in `do`, for each job.
            return_exceptions: True to yield the `JobError` or `ConnectionLost` of a job in place of its result, and go
                on. Other errors, such as `NoServerAvailable`, are raised all the same.
        """
        check_in_flight(max_in_flight)
        check_timeout(timeout)
        outcome = _outcome if return_exceptions else _result
        return self._in_order(workloads, map_requests(function, priority, resubmits), max_in_flight, timeout, outcome)

    def map_unordered(
        self,
        function: Text,
        workloads: Iterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        priority: Priority = Priority.NORMAL,
        timeout: float | None = None,
        resubmits: int = 0,
        return_exceptions: bool = False,
    ) -> Iterator[tuple[ValueT, ResultT]]:
        """Yield each workload with the result of its job, in the order in which the jobs end.

        See `map` for the arguments; the timeout is that of the wait for the next result.
        """
        check_in_flight(max_in_flight)
        check_timeout(timeout)
        outcome = _outcome if return_exceptions else _result
        return self._unordered(workloads, map_requests(function, priority, resubmits), max_in_flight, timeout, outcome)

    def map_reduce(
        self,
        mapper: Text,
        reducer: Text,
        inputs: Iterable[ValueT],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        timeout: float | None = None,
        resubmits: int = 0,
        return_exceptions: bool = False,
    ) -> Iterator[ResultT]:
        """Yield the results of one reduce job for each input, in order.

        The mapper, a function registered by `Worker.partition`, splits an input into parts. Each part becomes a job of
        the reducer, so that many workers share the input. The mapper's worker joins their results into the result of
        the input. The results of different inputs are not joined; the caller can do that with ``sum`` or
        ``functools.reduce``. The inputs may be endless. Otherwise this is `map`.

        Args:
            mapper: The function that splits each input into parts, and joins their results.
            reducer: The function that processes the parts.
            inputs: The input of each of the mapper's jobs. (For an `AsyncClient` also an asynchronous iterable.)
            max_in_flight: The number of inputs at a time, including unread results.
            timeout: Seconds to wait for each result once it is its turn.
            resubmits: As in `do`, for each input.
            return_exceptions: As in `map`.
        """
        check_in_flight(max_in_flight)
        check_timeout(timeout)
        outcome = _outcome if return_exceptions else _result
        return self._in_order(inputs, reduce_requests(mapper, reducer, resubmits), max_in_flight, timeout, outcome)

    def _in_order(
        self,
        workloads: Iterable[ValueT],
        request_for: Callable[[ValueT], JobRequest],
        max_in_flight: int,
        timeout: float | None,
        outcome: Callable[[SubmittedJob[ResultT], float | None], ResultT],
    ) -> Iterator[ResultT]:
        jobs: deque[SubmittedJob[ResultT]] = deque()
        try:
            for workload in workloads:
                jobs.append(self._submit(request_for(workload), stream=False))
                if len(jobs) == max_in_flight:
                    yield outcome(jobs[0], timeout)
                    jobs.popleft()
            while jobs:
                yield outcome(jobs[0], timeout)
                jobs.popleft()
        finally:
            for job in jobs:
                job.abandon()

    def _unordered(
        self,
        workloads: Iterable[ValueT],
        request_for: Callable[[ValueT], JobRequest],
        max_in_flight: int,
        timeout: float | None,
        outcome: Callable[[SubmittedJob[ResultT], float | None], ResultT],
    ) -> Iterator[tuple[ValueT, ResultT]]:
        inputs: dict[SubmittedJob[ResultT], ValueT] = {}

        def submitted() -> Iterator[SubmittedJob[ResultT]]:
            for workload in workloads:
                job = self._submit(request_for(workload), stream=False)
                inputs[job] = workload
                yield job

        try:
            for job in in_order_of_end(submitted(), lambda: Deadline(timeout, time.monotonic), max_in_flight):
                yield inputs.pop(job), outcome(job, None)
        finally:
            for job in inputs:
                job.abandon()

    def _submit(self, wanted: JobRequest, *, stream: bool = True) -> SubmittedJob[ResultT]:
        def submit(wanted: JobRequest) -> SubmittedJob[ResultT]:
            pool = self._pool()
            job = self._job(pool, wanted, stream=stream)
            pool.place([job])
            return job

        return self._through(submit)(wanted)

    def _job(self, pool: ConnectionPool, wanted: JobRequest, *, stream: bool = True) -> SubmittedJob[ResultT]:
        return SubmittedJob(pool, self._foreground(wanted), self._options, stream=stream)

    # Values

    def with_codec(self, codec: Codec[OtherValueT, OtherResultT]) -> "Client[OtherValueT, OtherResultT]":
        """Return a client with the same connections, and another codec for its values."""
        return cast("Client[OtherValueT, OtherResultT]", self._with_codec(codec))

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
        """Return a function of workers that this client calls with the function's own arguments; a decorator.

        ::

            @client.function
            def resize(image_id: int, width: int = 200) -> str:
                raise NotImplementedError  # workers have the real one

            resize.do(7, width=100)

        Args:
            function: An object with the function's signature, which is never called: a stub, or the result of
                `Worker.function` if the worker's module can be imported. Or the function's name, if it differs from
                that of the stub.

        Raises:
            TypeError: An argument has no annotation, or one that JSON has no form for.
        """
        bound: RemoteFunction[..., Any] | Binding = self._bind(function, RemoteFunction)
        return bound

    # Inquiries

    def status(self, handle: Handle | str | None = None, *, unique: Text | None = None) -> JobStatus:
        """Return the status of a job, given by its handle or by its unique.

        A `Handle` names the server to ask. For a unique, or a handle that is only text, servers are asked one after the
        other until one knows the job; those that cannot be reached are skipped.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        inquiry = StatusInquiry(handle, unique)
        status = JobStatus()
        for answer in self._pool().ask(inquiry):
            status = inquiry.read(answer)
            if status.known:
                break
        return status

    def cancel(self, handle: Handle | str) -> None:
        """Cancel a job; its clients get WORK_FAIL.

        A waiting job is never done. A worker that runs the job is not told; what it sends for the job is dropped.

        Args:
            handle: The job's handle. For one that is only text, all servers are asked until one has the job.

        Raises:
            ServerError: No server has such a job.
            NoServerAvailable: The server cannot be reached.
        """
        servers = admins_of(handle, self._options)
        for number, server in enumerate(servers, 1):
            try:
                with self.admin(server) as admin:
                    admin.cancel(handle)
                return
            except ServerError:
                if number == len(servers):
                    raise

    def admin(self, server: str | None = None) -> "AdminClient":
        """Return an administrator of a server, with this client's TLS, token and timeouts; to be closed.

        Args:
            server: Its address, such as that of a `Handle`; by default the first one.
        """
        from geartrain.admin.sync import AdminClient  # here alone, as few clients need it

        return AdminClient(server or str(self._options.addresses[0]), **self._options.for_admin())

    def ping(self) -> float:
        """Send an echo to the server that would get the next job, and return its round-trip time in seconds.

        Raises:
            ReplyTimeout: There was no answer in time.
            NoServerAvailable: No server can be reached.
        """
        inquiry = Ping(time.perf_counter)
        next(self._pool().ask(inquiry))
        return inquiry.elapsed()

    # Processes

    def _pool(self) -> ConnectionPool:
        """Return the connections of this process."""
        if self._origin is not None:
            return self._origin._pool()
        if not self._closer.alive:
            raise ConnectionLost("the client is closed")
        process = os.getpid()
        pool = self._pools.get(process)
        if pool is None:
            # Without a lock, which would stay locked in a process forked meanwhile; `setdefault` is atomic anyway.
            pool = self._pools.setdefault(process, ConnectionPool(self._options))
            for other in [other for other in list(self._pools) if other != process]:
                self._pools.pop(other).close()
        return pool


def _result(job: SubmittedJob[ResultT], timeout: float | None) -> ResultT:
    return job.result(timeout)


def _outcome(job: SubmittedJob[ResultT], timeout: float | None) -> Any:
    try:
        return job.result(timeout)
    except (JobError, ConnectionLost) as error:
        job.abandon()
        return error


def _close_pools(pools: dict[int, ConnectionPool]) -> None:
    for pool in list(pools.values()):
        pool.close()
