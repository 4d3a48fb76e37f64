# SPDX-License-Identifier: MIT
"""What a worker is while it does not run: its servers, its functions, and how it is to behave."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from geartrain.names import Text
from geartrain.transport import Servers, parse_servers
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.options import WorkerOptions

__all__ = ["Registry", "RunningLoop"]

CallT = TypeVar("CallT", bound=Callable[..., object])
MiddlewareT = TypeVar("MiddlewareT", bound=Callable[..., object])
UserT = TypeVar("UserT", bound=Callable[..., object])
LoopT = TypeVar("LoopT", bound="RunningLoop[Any]")


class RunningLoop(Protocol[CallT]):
    """What a worker tells its loop, from any thread."""

    def stop(self, grace: float) -> None:
        """Take no more jobs, and leave when those in hand are done, at the latest after ``grace`` seconds."""

    def add(self, function: Function[CallT]) -> None:
        """Register a function that has come into the table."""

    def remove(self, function: Function[CallT]) -> None:
        """Take back a function that has gone from the table."""


class Registry(ABC, Generic[CallT, MiddlewareT]):
    """What the blocking and the asyncio worker have in common: all but the waiting.

    Args:
        servers: See `geartrain.transport.parse_servers`.
        options: How the worker is to behave.

    Raises:
        ValueError: A server is no address.
    """

    def __init__(self, servers: Servers, options: WorkerOptions) -> None:
        self._options = options
        self._addresses = parse_servers(servers)
        self._functions: FunctionTable[CallT] = FunctionTable(options.prefix)
        self._middleware = cast("list[MiddlewareT]", list(options.middleware))
        self._lock = threading.Lock()  # around the table and the loop, which change together
        self._loop: RunningLoop[CallT] | None = None
        self._stop_requested = False
        self._signals = 0  # received during a run

    def __repr__(self) -> str:
        servers = ", ".join(map(str, self._addresses))
        return f"<{type(self).__name__} of {servers}: {', '.join(function.name for function in self._functions)}>"

    @overload
    def function(self, function: UserT, /) -> UserT: ...
    @overload
    def function(self, name: str | None = None, /, *, timeout: float | None = None) -> Callable[[UserT], UserT]: ...
    def function(
        self, function: UserT | str | None = None, /, *, timeout: float | None = None
    ) -> UserT | Callable[[UserT], UserT]:
        """Make a function a Gearman function, under its own name or the one given.

        Args:
            timeout: Seconds after which a server gives a job to another worker.
        """
        if callable(function):
            self.add_function(function.__name__, function, timeout=timeout)
            return function

        def decorate(call: UserT) -> UserT:
            self.add_function(function or call.__name__, call, timeout=timeout)
            return call

        return decorate

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Put a function ``(job, call)`` around every job of the next `run`, inside of those already there."""
        self._middleware.append(middleware)
        return middleware

    def add_function(self, name: Text, function: Callable[..., object], *, timeout: float | None = None) -> None:
        """Offer a function to the servers, at once if the worker runs.

        Args:
            function: Called with the job. It returns what the codec encodes: without one bytes, text or None. What a
                generator yields is sent piece by piece.
            timeout: Seconds after which a server gives a job to another worker.

        Raises:
            LocalProtocolError: The name cannot travel, or the timeout is out of range.
            TypeError: The function is not of the kind that this worker calls.
            RuntimeError: The worker runs, and does its jobs in processes.
        """
        call = self._call(function)
        with self._lock:
            added = self._functions.add(name, call, timeout)
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

    def stop(self, *, grace: float | None = None) -> None:
        """Have `run` leave, from any thread; it leaves at once if it has yet to be called.

        Args:
            grace: Seconds for the jobs in hand, if not those of the worker.
        """
        self._stop_requested = True
        loop = self._loop
        if loop is not None:
            loop.stop(self._options.grace if grace is None else grace)

    @abstractmethod
    def _call(self, function: Callable[..., object]) -> CallT:
        """Make of what the user registers what a job is done with.

        Raises:
            TypeError: This worker has no way of calling it.
        """

    @contextmanager
    def _occupied(self, make_loop: Callable[[], LoopT]) -> Iterator[LoopT]:
        """Make a loop, and have it be told what is asked of the worker for the length of a block."""
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("the worker runs already")
            loop = make_loop()
            self._loop = loop
            self._signals = 0
            if self._stop_requested:
                loop.stop(self._options.grace)
        try:
            yield loop
        finally:
            with self._lock:
                self._loop = None
                self._stop_requested = False

    def _take_signal(self) -> None:
        """Leave, because a signal says so; a second one takes the time away that the first one left."""
        self._signals += 1
        self.stop(grace=None if self._signals == 1 else 0.0)
