# SPDX-License-Identifier: MIT
"""What a worker is while it does not run: its servers, its functions, and how it is to behave."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast

from geartrain.codecs import Codec
from geartrain.names import Text, function_bytes
from geartrain.transport import Servers, parse_servers
from geartrain.typed import Signature, is_job_function
from geartrain.worker.arguments import codec_of
from geartrain.worker.functions import Function, FunctionTable, shown_name
from geartrain.worker.job import JobInHand
from geartrain.worker.options import WorkerOptions

__all__ = ["Registry", "RunningLoop"]

CallT = TypeVar("CallT", bound=Callable[..., object])
MiddlewareT = TypeVar("MiddlewareT", bound=Callable[..., object])
Offer: TypeAlias = Callable[[Text, Callable[..., object]], Callable[..., object]]
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

    _job_type: ClassVar[type[JobInHand]]  # what functions of jobs are called with

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

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Put a function ``(job, call)`` around every job of the next `run`, inside of those already there."""
        self._middleware.append(middleware)
        return middleware

    def add_function(self, name: Text, function: Callable[..., object], *, timeout: float | None = None) -> None:
        """Offer a function to the servers, at once if the worker runs.

        Args:
            function: Called with the job, or with arguments, if it is annotated with what they are; see
                `geartrain.typed`. With a job, it returns what the codec encodes: without one bytes, text or None; and
                what a generator yields is sent piece by piece.
            timeout: Seconds after which a server gives a job to another worker.

        Raises:
            LocalProtocolError: The name cannot travel, or the timeout is out of range.
            TypeError: The function is not of the kind that this worker calls, or says too little of its arguments.
            RuntimeError: The worker runs, and does its jobs in processes.
        """
        self._offer(name, function, timeout)

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

    def _decorator(self, target: Callable[..., object] | str | None, offer: Offer) -> Callable[..., object]:
        """Offer a function that was decorated, or return what will do so with the next one."""
        if callable(target):
            return offer(_name_of(target), target)
        return lambda function: offer(target or _name_of(function), function)

    def _offer(self, name: Text, function: Callable[..., object], timeout: float | None) -> Callable[..., object]:
        """Offer a function, and return what its user is to have in its place."""
        if is_job_function(function, self._job_type):
            self._add(name, self._call(function, None), timeout)
            return function
        signature = Signature(function, shown_name(name), job_type=self._job_type)
        added = self._add(name, self._call(function, signature), timeout, codec_of(signature))
        return self._callable(function, signature, added.wire_name)

    def _add(
        self, name: Text, call: CallT, timeout: float | None, codec: Codec[Any, Any] | None = None
    ) -> Function[CallT]:
        with self._lock:
            added = self._functions.add(name, call, timeout, codec)
            if self._loop is not None:
                self._loop.add(added)
        return added

    def _reducer(self, function: Callable[..., object], reducer: Text | None) -> bytes:
        """Return who gets the parts that a function makes of jobs that name nobody.

        Raises:
            TypeError: The function is not called with a job.
        """
        if not is_job_function(function, self._job_type):
            raise TypeError(f"{function!r} takes arguments; what makes parts of a job takes the job")
        return b"" if reducer is None else function_bytes(reducer, self._options.prefix)

    def _as_client(self) -> dict[str, Any]:
        """Return the options of a client of the same servers, which calls functions by their names on the wire."""
        options = self._options
        return {
            "servers": self._addresses,
            "tls": options.tls,
            "client_id": options.client_id or None,
            "token": options.token or None,
            "connect_timeout": options.connect_timeout,
            "keepalive": options.keepalive,
        }

    @abstractmethod
    def _call(self, function: Callable[..., object], signature: Signature | None) -> CallT:
        """Make of what the user registers what a job is done with.

        Raises:
            TypeError: This worker has no way of calling it.
        """

    @abstractmethod
    def _callable(
        self, function: Callable[..., object], signature: Signature, wire_name: bytes
    ) -> Callable[..., object]:
        """Make of a function with arguments what calls it here, and has it called by whatever worker."""

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


def _name_of(function: Callable[..., object]) -> str:
    name: object = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"{function!r} has no name of its own; give it one, like add_function(name, function)")
    return name
