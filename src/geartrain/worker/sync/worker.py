# SPDX-License-Identifier: MIT
"""The blocking worker."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from secrets import token_hex
from types import FrameType
from typing import Concatenate, Unpack, overload

from geartrain.client import Client, SubmittedJob
from geartrain.names import Text
from geartrain.transport import Servers
from geartrain.typed import Signature
from geartrain.worker.options import Executor, Options, Reason, WorkerOptions
from geartrain.worker.partition import MAX_IN_FLIGHT
from geartrain.worker.registry import Registry
from geartrain.worker.sync.calls import Call, Middleware, as_call
from geartrain.worker.sync.function import Decorator, JobFunctionT, ParametersT, ReturnT, TypedFunction
from geartrain.worker.sync.job import AssignedJob
from geartrain.worker.sync.loop import WorkerLoop
from geartrain.worker.sync.partition import Aggregate, Reduction, as_partition

__all__ = ["Worker"]


class Worker(Registry[Call, Middleware]):
    """Does jobs for any number of servers, in threads or in processes.

    ::

        worker = Worker()

        @worker.function
        def reverse(job):
            return job.workload[::-1]

        worker.run()

    Args:
        servers: See `geartrain.transport.parse_servers`; all of them are talked to at once.
        executor: ``"thread"`` does jobs in threads of this process. ``"process"`` does them, and the middleware around
            them, in processes forked from it: for functions that keep a processor busy, or that may crash. A process
            that dies fails the job that it did, and another takes its place. They know what this process knew when
            `run` was called, which is best done before there are other threads; they ignore SIGINT and SIGTERM, and
            are killed when `grace` is over or this process has ended, in whatever way.
        options: As `geartrain.worker.WorkerOptions` has them. `concurrency` is 1 unless given.

    Raises:
        LocalProtocolError: The client's id cannot travel.
        ValueError: A server is no address, or an option is out of range.
    """

    _job_type = AssignedJob

    def __init__(self, servers: Servers = None, *, executor: Executor = "thread", **options: Unpack[Options]) -> None:
        options.setdefault("concurrency", 1)
        super().__init__(servers, WorkerOptions(executor=executor, **options))
        self._clients: dict[str, Client] = {}  # its own one, once there is a need

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
    def function(self, name: str | None = None, /, *, timeout: float | None = None) -> Decorator: ...
    def function(
        self, function: Callable[..., object] | str | None = None, /, *, timeout: float | None = None
    ) -> Callable[..., object]:
        """Make a function a Gearman function, under its own name or the one given.

        With one parameter that is a job, or has no annotation, it is called with jobs, and stays what it was. With
        annotated parameters it is called with arguments, and gets `do`, `submit` and other ways of being called by
        jobs, as `geartrain.client.RemoteFunction` has them; called like any function it runs here and now. A job may
        come before the arguments, to report progress.

        Args:
            timeout: Seconds after which a server gives a job to another worker.

        Raises:
            TypeError: Its parameters are neither a job nor annotated in a way that JSON has a form for.
        """
        return self._decorator(function, lambda name, call: self._offer(name, call, timeout))

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
        """Make a function a Gearman function that has its jobs done in parts; see `add_partition`."""

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
        """Offer a function that makes parts of its jobs, which other workers do.

        What the function yields, or sends by `data`, and what it returns if that is anything, are the parts. Each
        becomes a foreground job of the reducer, on this worker's own servers. What becomes of them is joined, and that
        is the result. A part that fails fails the job. A worker with one slot that also does the parts would wait for
        itself: give it more `concurrency`, or do the parts elsewhere.

        Args:
            name: What clients call it.
            function: Called with the job, whose own end it cannot be: it has no `complete` and `fail` to call.
            reducer: Who gets the parts of a job that does not name a reducer. Without one, such a job is an ordinary
                one, and its parts are sent to the client.
            aggregate: Called with an iterator of the results, in the order of the parts, as the codec decodes them; it
                returns the result. A function that yields goes on as this asks for more, so that neither the
                parts nor the results need ever be in memory all at once. By default bytes are put one behind the
                other, and the values of a codec into a list.
            timeout: Seconds after which a server gives a job to another worker.
            max_in_flight: How many parts of a job are with the reducer at a time.

        Raises:
            LocalProtocolError: A name cannot travel, or the timeout is out of range.
            TypeError: The function is not called with a job, or not in the way of this worker.
        """
        reduction = Reduction(self._submit_part, self._reducer(function, reducer), aggregate, max_in_flight)
        self._add(name, as_partition(function, self._call(function, None), reduction), timeout)

    def run(self, *, burst: bool = False, idle_timeout: float | None = None) -> Reason:
        """Do jobs until there is a reason to leave, and return it.

        In the main thread SIGINT and SIGTERM are reasons: the jobs in hand have `grace` seconds to end, and a second
        signal takes these away. What is not done then goes back to its server when the connection closes, and to
        another worker.

        Args:
            burst: Leave when no server has a job.
            idle_timeout: Leave after so many seconds without a job.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached. Otherwise they are waited for.
        """
        with (
            self._occupied(partial(self._new_loop, burst=burst, idle_timeout=idle_timeout)) as loop,
            closing(loop),
            self._signals_taken(loop),
        ):
            return loop.run()

    def _call(self, function: Callable[..., object], signature: Signature | None) -> Call:
        if self._options.executor == "process" and self._loop is not None:
            raise RuntimeError(
                "processes know the functions that were there when they were forked: add them before run"
            )
        return as_call(function, signature)

    def _callable(
        self, function: Callable[..., object], signature: Signature, wire_name: bytes
    ) -> TypedFunction[..., ..., object]:
        return TypedFunction(function, wire_name, signature, self._own_client)

    def _own_client(self) -> Client:
        """Return the client that its functions are called by, and its parts: one of the same servers."""
        client = self._clients.get("own")
        if client is None:
            # Without a lock, which a fork could have left locked for ever; this is atomic all the same.
            client = self._clients.setdefault("own", Client(**self._as_client()))
        return client

    def _submit_part(self, reducer: bytes, part: bytes) -> SubmittedJob:
        return self._own_client().submit(reducer, part, unique=token_hex(16))

    def _new_loop(self, *, burst: bool, idle_timeout: float | None) -> WorkerLoop:
        return WorkerLoop(
            self._addresses,
            self._functions,
            tuple(self._middleware),
            self._options,
            burst=burst,
            idle_timeout=idle_timeout,
        )

    @contextmanager
    def _signals_taken(self, loop: WorkerLoop) -> Iterator[None]:
        """Turn the signals that end a process into calls of `stop`, where Python allows it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def leave(number: int, frame: FrameType | None) -> None:
            self._take_signal()

        previous = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
        # The system may hand a signal to a thread that does a job, which would leave this one asleep.
        descriptor = signal.set_wakeup_fd(loop.button, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in previous.items():
                signal.signal(number, handler)
