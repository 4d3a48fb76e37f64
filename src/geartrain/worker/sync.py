# SPDX-License-Identifier: MIT
"""The blocking worker."""

import signal
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import TypeVar, overload

from geartrain.names import Text, client_id_bytes
from geartrain.transport import TLS, Servers, parse_servers
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE
from geartrain.worker.functions import FunctionTable
from geartrain.worker.loop import WorkerLoop
from geartrain.worker.options import GRACE, Reason, WorkerOptions
from geartrain.worker.perform import Call, Middleware

__all__ = ["Worker"]

CallT = TypeVar("CallT", bound=Call)
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)


class Worker:
    """Does jobs for any number of servers, in threads.

    ::

        worker = Worker()

        @worker.function
        def reverse(job):
            return job.workload[::-1]

        worker.run()

    Args:
        servers: See `geartrain.transport.parse_servers`; all of them are talked to at once.
        concurrency: How many jobs run side by side, each in a thread.
        prefix: A name-space put before every function's name.
        client_id: What ``gearadmin --workers`` shows.
        tls: Encrypts the connections.
        connect_timeout: Seconds for one attempt to reach a server.
        keepalive: Seconds after which a dead path is noticed; None leaves that to the system.
        max_jobs: Leave after so many jobs.
        grace: Seconds that `stop` and the signals leave to jobs in hand.
        middleware: Functions ``(job, call)`` around every job, the first outermost; ``call(job)`` goes on inwards.
        exceptions: Tell clients of exceptions; False says WORK_FAIL only, which clients of libgearman 1.1 need that do
            not ask for exceptions and use gearmand 1.1: they would wait for ever.

    Raises:
        ValueError: A server is no address, or a number is out of range.
    """

    def __init__(
        self,
        servers: Servers = None,
        *,
        concurrency: int = 1,
        prefix: Text = "",
        client_id: str = "",
        tls: ssl.SSLContext | TLS | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
        max_jobs: int | None = None,
        grace: float = GRACE,
        middleware: Sequence[Middleware] = (),
        exceptions: bool = True,
    ) -> None:
        client_id_bytes(client_id)
        self._options = WorkerOptions(
            concurrency=concurrency,
            client_id=client_id,
            tls=tls,
            connect_timeout=connect_timeout,
            keepalive=keepalive,
            max_jobs=max_jobs,
            grace=grace,
            exceptions=exceptions,
        )
        self._addresses = parse_servers(servers)
        self._functions: FunctionTable[Call] = FunctionTable(prefix)
        self._middleware = list(middleware)
        self._lock = threading.Lock()  # around the table and the loop, which change together
        self._loop: WorkerLoop | None = None
        self._stop_requested = False

    def __repr__(self) -> str:
        servers = ", ".join(map(str, self._addresses))
        return f"<Worker of {servers}: {', '.join(function.name for function in self._functions)}>"

    @overload
    def function(self, function: CallT, /) -> CallT: ...
    @overload
    def function(self, name: str | None = None, /, *, timeout: float | None = None) -> Callable[[CallT], CallT]: ...
    def function(
        self, function: CallT | str | None = None, /, *, timeout: float | None = None
    ) -> CallT | Callable[[CallT], CallT]:
        """Make a function a Gearman function, under its own name or the one given.

        Args:
            timeout: Seconds after which a server gives a job to another worker.
        """
        if callable(function):
            self.add_function(function.__name__, function, timeout=timeout)
            return function

        def decorate(call: CallT) -> CallT:
            self.add_function(function or call.__name__, call, timeout=timeout)
            return call

        return decorate

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Put a function ``(job, call)`` around every job of the next `run`, inside of those already there."""
        self._middleware.append(middleware)
        return middleware

    def add_function(self, name: Text, function: Call, *, timeout: float | None = None) -> None:
        """Offer a function to the servers, at once if the worker runs.

        Args:
            function: Called with an `AssignedJob`. It returns bytes, text or None; what a generator yields is sent
                piece by piece.
            timeout: Seconds after which a server gives a job to another worker.

        Raises:
            LocalProtocolError: The name cannot travel, or the timeout is out of range.
        """
        with self._lock:
            added = self._functions.add(name, function, timeout)
            if self._loop is not None:
                self._loop.add(added)

    def remove_function(self, name: Text) -> None:
        """Take a function back. A job of it that runs is finished.

        Raises:
            KeyError: There is none of that name.
        """
        with self._lock:
            removed = self._functions.remove(name)
            if self._loop is not None:
                self._loop.remove(removed)

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
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("the worker runs already")
            loop = WorkerLoop(
                self._addresses,
                self._functions,
                tuple(self._middleware),
                self._options,
                burst=burst,
                idle_timeout=idle_timeout,
            )
            self._loop = loop
            if self._stop_requested:
                loop.stop(self._options.grace)
        try:
            with closing(loop), self._signals(loop):
                return loop.run()
        finally:
            with self._lock:
                self._loop = None
                self._stop_requested = False

    def stop(self, *, grace: float | None = None) -> None:
        """Have `run` leave, from any thread; it leaves at once if it has yet to be called.

        Args:
            grace: Seconds for the jobs in hand, if not those of the worker.
        """
        self._stop_requested = True
        loop = self._loop
        if loop is not None:
            loop.stop(self._options.grace if grace is None else grace)

    @contextmanager
    def _signals(self, loop: WorkerLoop) -> Iterator[None]:
        """Turn the signals that end a process into calls of `stop`, where Python allows it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        received = 0

        def leave(number: int, frame: FrameType | None) -> None:
            nonlocal received
            received += 1
            self.stop(grace=None if received == 1 else 0.0)

        previous = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
        # The system may hand a signal to a thread that does a job, which would leave this one asleep.
        descriptor = signal.set_wakeup_fd(loop.button, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in previous.items():
                signal.signal(number, handler)
