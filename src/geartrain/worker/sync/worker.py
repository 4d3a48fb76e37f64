# SPDX-License-Identifier: MIT
"""The blocking worker. Its twin is `geartrain.worker.aio.worker`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any, Concatenate, Unpack, overload

from geartrain.client import Client, SubmittedJob
from geartrain.names import Text
from geartrain.transport import Servers
from geartrain.typed import Signature
from geartrain.worker.functions import Retries
from geartrain.worker.options import ExecutorKind, OnProcessDeath, Options, Reason, WorkerOptions
from geartrain.worker.partition import MAX_IN_FLIGHT, Reduction
from geartrain.worker.registry import Registry
from geartrain.worker.sync.calls import Call, Middleware, as_call, retrying
from geartrain.worker.sync.function import Decorator, JobFunctionT, ParametersT, ReturnT, TypedFunction
from geartrain.worker.sync.job import AssignedJob
from geartrain.worker.sync.loop import WorkerLoop
from geartrain.worker.sync.mainthread import MainThreadRun
from geartrain.worker.sync.partition import Aggregate, as_partition

__all__ = ["Worker"]


class Worker(Registry[Call, Middleware]):
    """A worker for any number of servers that runs its jobs in threads or in processes.

    ::

        worker = Worker()

        @worker.function
        def reverse(job):
            return job.workload[::-1]

        worker.run()

    Args:
        servers: See `geartrain.transport.parse_servers`; the worker takes jobs from all of them at once.
        executor: ``"thread"`` runs jobs in threads of this process. ``"process"`` runs them, with the middleware around
            them, in processes forked from it: for functions that use much CPU time, or that may crash. A process that
            dies is replaced, and counts as a lost worker of the job that it ran: see `on_process_death`. The processes
            are copies of this one at the time of `run`, which is best called before there are other threads. They
            ignore SIGINT and SIGTERM, and are killed when `grace` is over or when this process has ended in any way.
        on_process_death: ``"retry"`` gives the job of a process that dies back to its server, which gives it to another
            worker: this one or any other. The server's ``--job-retries`` limits these attempts; by default there is no
            limit, as for all lost workers. The worker closes its connection for this, after its other jobs from it
            have ended, and makes another one. ``"fail"`` fails the job.
        options: See `geartrain.worker.WorkerOptions`. `concurrency` is 1 by default.

    Raises:
        LocalProtocolError: The client's id is not allowed by the protocol.
        ValueError: A server is not an address, or an option is out of range.
    """

    _job_type = AssignedJob

    def __init__(
        self,
        servers: Servers = None,
        *,
        executor: ExecutorKind = "thread",
        on_process_death: OnProcessDeath = "retry",
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("concurrency", 1)
        super().__init__(servers, WorkerOptions(executor=executor, on_process_death=on_process_death, **options))
        self._clients: dict[str, Client] = {}  # the worker's own client, once it is needed
        self._used: Client[Any, Any] | None = None  # in its place

    @overload
    def function(self, function: JobFunctionT, /) -> JobFunctionT: ...
    @overload
    def function(  # type: ignore[overload-cannot-match]  # it is, by functions with arguments behind the job
        self, function: Callable[Concatenate[AssignedJob, ParametersT], ReturnT], /
    ) -> TypedFunction[Concatenate[AssignedJob, ParametersT], ParametersT, ReturnT]: ...
    @overload
    def function(
        self, function: Callable[ParametersT, ReturnT], /
    ) -> TypedFunction[ParametersT, ParametersT, ReturnT]: ...
    @overload
    def function(
        self,
        name: str | None = None,
        /,
        *,
        timeout: float | None = None,
        retry_on: tuple[type[BaseException], ...] = (),
        tries: int = 1,
        interrupt: bool = False,
    ) -> Decorator: ...
    def function(
        self,
        function: Callable[..., object] | str | None = None,
        /,
        *,
        timeout: float | None = None,
        retry_on: tuple[type[BaseException], ...] = (),
        tries: int = 1,
        interrupt: bool = False,
    ) -> Callable[..., object]:
        """Register a function, under its own name or the one given; a decorator.

        A function with one parameter, which is a job or has no annotation, is called with jobs and stays unchanged. A
        function with annotated parameters is called with arguments; it gets `do`, `submit` and the other methods of
        `geartrain.client.RemoteFunction`, and a direct call still runs it here. Its first parameter may be the job, for
        progress reports.

        Args:
            function: The function, or its name for clients.
            timeout: Seconds after which a server gives a job to another worker. Half a second later its process is
                killed. (An `AsyncWorker` cancels its task.) A thread cannot be stopped: it holds its slot until the
                function returns, which it does soon if it checks ``job.cancelled``. Too many such slots end the worker,
                see ``max_stuck`` of `WorkerOptions`.
            retry_on: See `add_function`.
            tries: See `add_function`.
            interrupt: True to raise `JobInterrupted` in a thread at that time. This is unsafe: the exception may come
                between any two instructions, in ``finally`` as well, and can leave a lock held for ever. Use it for
                functions that only compute.

        Raises:
            TypeError: A parameter is neither a job nor annotated with a type that JSON has a form for.
            ValueError: Jobs without a timeout are to be interrupted.
        """
        retries = Retries(retry_on, tries)
        return self._decorator(
            function, lambda name, call: self._offer(name, call, timeout, retries, interrupt=interrupt)
        )

    @overload
    def partition(self, function: JobFunctionT, /) -> JobFunctionT: ...
    @overload
    def partition(
        self,
        name: str | None = None,
        /,
        *,
        reducer: Text | None = None,
        aggregate: Aggregate | None = None,
        timeout: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> Callable[[JobFunctionT], JobFunctionT]: ...
    def partition(
        self,
        function: Callable[..., object] | str | None = None,
        /,
        *,
        reducer: Text | None = None,
        aggregate: Aggregate | None = None,
        timeout: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> Callable[..., object]:
        """Register a function that splits its jobs into parts; a decorator. See `add_partition`."""

        def offer(name: Text, call: Callable[..., object]) -> Callable[..., object]:
            self.add_partition(
                name, call, reducer=reducer, aggregate=aggregate, timeout=timeout, max_in_flight=max_in_flight
            )
            return call

        return self._decorator(function, offer)

    def add_partition(
        self,
        name: Text,
        function: Callable[..., object],
        *,
        reducer: Text | None = None,
        aggregate: Aggregate | None = None,
        timeout: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        """Register a function that splits its jobs into parts, which other workers do.

        The items that the function yields or sends by `data`, and its return value if it has one, are the parts. Each
        part becomes a foreground job of the reducer, on this worker's own servers. The aggregate joins the results,
        which makes the result of the job. A part that fails fails the job. A worker with one slot that also does the
        parts would wait for itself: give it more `concurrency`, or do the parts in another worker.

        Args:
            name: The name for clients.
            function: Called with the job, which has no `complete` and `fail`: it ends with its parts.
            reducer: The function that gets the parts of a job that names no reducer. Without one, such a job is an
                ordinary one, and its parts are sent to the client.
            aggregate: Called with an iterator of the results, in the order of the parts, decoded by the codec; it
                returns the result. A function that yields is resumed as the aggregate reads results, so that neither
                the parts nor the results need to be in memory at once. By default bytes are joined one after the other,
                and the values of a codec as a list. (For an `AsyncWorker` an ``async def`` with an asynchronous
                iterator.)
            timeout: Seconds after which a server gives a job to another worker.
            max_in_flight: The number of parts of a job that are with the reducer at a time.

        Raises:
            LocalProtocolError: A name is not allowed by the protocol.
            ValueError: The timeout is out of range.
            TypeError: The function is not called with a job, or this worker cannot call it.
        """
        reduction = Reduction(self._submit_part, self._reducer(function, reducer), aggregate, max_in_flight)
        self._add(name, as_partition(function, self._call(function, None), reduction), timeout)

    @contextmanager
    def using(self, client: Client[Any, Any]) -> Iterator[None]:
        """Submit jobs of typed functions, and the parts of partitions, by another client for the length of a block.

        ::

            with worker.using(EagerClient(worker)):
                resize.submit_background(7)

        Args:
            client: A client without a prefix, as the worker's own prefix is put before the names; for tests an
                `EagerClient`, for example. (For an `AsyncWorker` an `AsyncClient`.) It is not closed.
        """
        before = self._used
        self._used = client
        try:
            yield
        finally:
            self._used = before

    def run(self, *, burst: bool = False, idle_timeout: float | None = None) -> Reason:
        """Do jobs until there is a reason to leave, and return it.

        In the main thread SIGINT and SIGTERM are reasons: the running jobs have `grace` seconds to end, and a second
        signal ends this time. Jobs that have not ended then go back to their servers when the connections close, and
        are done by other workers.

        Args:
            burst: Leave when no server has a job.
            idle_timeout: Leave after so many seconds without a job.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached. Otherwise the worker waits for them.
            RuntimeError: The worker has no function, or runs already.
        """
        self._check_functions()
        if threading.current_thread() is not threading.main_thread():
            loop = self._begin(WorkerLoop, burst=burst, idle_timeout=idle_timeout)
            try:
                self._open_log()
                return loop.run()
            finally:
                self._end(loop)
                self._close_log()
        apart = MainThreadRun(self._open_log, self._close_log, self._end, self._on_signal)
        try:
            self._begin(apart.making(WorkerLoop), burst=burst, idle_timeout=idle_timeout)
            reason = apart.run()
        finally:
            try:
                apart.end()
            finally:  # a signal handler may raise in here too, and once more
                try:
                    apart.end()
                finally:
                    apart.end()
        return reason

    def _call(self, function: Callable[..., object], signature: Signature | None) -> Call:
        if self._options.executor == "process" and self._loop is not None:
            raise RuntimeError("processes have only the functions from before their start: add functions before run")
        return as_call(function, signature)

    def _retrying(self, call: Call, retries: Retries) -> Call:
        return retrying(call, retries)

    def _callable(
        self, function: Callable[..., object], signature: Signature, wire_name: bytes
    ) -> TypedFunction[..., ..., object]:
        return TypedFunction(function, wire_name, signature, self._own_client)

    def _own_client(self) -> Client:
        """Return the client that submits jobs for typed functions and parts, by default one of the same servers."""
        if self._used is not None:
            return self._used
        client = self._clients.get("own")
        if client is None:
            # Without a lock, which would stay locked in a process forked meanwhile; `setdefault` is atomic anyway.
            client = self._clients.setdefault("own", Client(**self._client_options()))
        return client

    def _drop_client(self) -> None:
        client = self._clients.pop("own", None)
        if client is not None:
            client.close()

    def _submit_part(self, reducer: bytes, part: bytes) -> SubmittedJob:
        return self._own_client().submit(reducer, part, unique=token_hex(16))
