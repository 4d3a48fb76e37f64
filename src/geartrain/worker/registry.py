# SPDX-License-Identifier: MIT
"""The common part of both workers: servers, functions, middleware and options, before and between runs."""

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast

from geartrain.codec import Codec
from geartrain.names import Text, function_bytes
from geartrain.transport import ServerAddress, Servers, parse_servers
from geartrain.typed import Signature, is_job_function
from geartrain.worker.arguments import codec_of
from geartrain.worker.console import Console
from geartrain.worker.functions import Function, FunctionTable, Retries, display_name
from geartrain.worker.job import AnyAssignedJob
from geartrain.worker.options import WorkerOptions

__all__ = ["Registry", "RunningLoop"]

_logger = logging.getLogger("geartrain.worker")

CallT = TypeVar("CallT", bound=Callable[..., object])
MiddlewareT = TypeVar("MiddlewareT", bound=Callable[..., object])
LoopT = TypeVar("LoopT", bound="RunningLoop[Any]")
LoopT_co = TypeVar("LoopT_co", bound="RunningLoop[Any]", covariant=True)
Offer: TypeAlias = Callable[[Text, Callable[..., object]], Callable[..., object]]


class RunningLoop(Protocol[CallT]):
    """The loop of a running worker, as other threads call it."""

    def stop(self, grace: float) -> None:
        """Take no more jobs; leave when the running ones have ended, or after ``grace`` seconds."""

    def add(self, function: Function[CallT]) -> None:
        """Register a function that was added to the table."""

    def remove(self, function: Function[CallT]) -> None:
        """Unregister a function that was removed from the table."""


class MakeLoop(Protocol[LoopT_co]):
    """The constructor of a loop."""

    def __call__(
        self,
        addresses: Sequence[ServerAddress],
        functions: FunctionTable[Any],
        middleware: Sequence[Any],
        options: WorkerOptions,
        *,
        burst: bool,
        idle_timeout: float | None,
        registered: Callable[[], object],
    ) -> LoopT_co: ...


class Registry(ABC, Generic[CallT, MiddlewareT]):
    """Everything about a worker that does not wait.

    Args:
        servers: See `geartrain.transport.parse_servers`.
        options: The worker's options.

    Raises:
        ValueError: A server is not an address.
    """

    _job_type: ClassVar[type[AnyAssignedJob]]  # the type of jobs that functions are called with

    def __init__(self, servers: Servers, options: WorkerOptions) -> None:
        self._options = options
        self._addresses = parse_servers(servers)
        self._functions: FunctionTable[CallT] = FunctionTable(options.prefix)
        self._middleware = cast("list[MiddlewareT]", list(options.middleware))
        self._lock = threading.Lock()  # guards the table and the loop, which change together
        self._loop: RunningLoop[CallT] | None = None
        self._console = Console()
        self._stop_requested = False
        self._signals = 0  # received during a run
        self._registered: Callable[[], object] = _nothing  # called once all servers know all functions

    def __repr__(self) -> str:
        servers = ", ".join(map(str, self._addresses))
        return f"<{type(self).__name__} of {servers}: {', '.join(function.name for function in self._functions)}>"

    @property
    def servers(self) -> Sequence[ServerAddress]:
        """The servers; they may be replaced before the worker runs, in the notation of the constructor.

        So a test can use a worker that its module has made for other servers.
        """
        return tuple(self._addresses)

    @servers.setter
    def servers(self, servers: Servers) -> None:
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("the worker is running; its servers can be replaced only before that")
            self._addresses = parse_servers(servers)
        self._drop_client()

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Add a function ``(job, call)`` around every job of the next `run`, inside of those already added."""
        self._middleware.append(middleware)
        return middleware

    def add_function(
        self,
        name: Text,
        function: Callable[..., object],
        *,
        timeout: float | None = None,
        retry_on: tuple[type[BaseException], ...] = (),
        tries: int = 1,
    ) -> None:
        """Register a function with the servers, at once if the worker is running.

        Args:
            name: The name for clients.
            function: Called with the job; or with arguments, if all its parameters are annotated with their types (see
                `geartrain.typed`). It returns a value that the codec encodes; without a codec, bytes, text or None. The
                items that a generator yields are sent one by one.
            timeout: Seconds after which a server gives a job to another worker.
            retry_on: Exceptions after which the function is called again in the same run, unless it has sent a part of
                its result. The server does not know of it, and the timeout is that of all tries together.
            tries: The number of calls, the first one included; with ``retry_on``.

        Raises:
            LocalProtocolError: The name is not allowed by the protocol.
            ValueError: The timeout is out of range.
            TypeError: This worker cannot call the function, or an argument has no annotation.
            RuntimeError: The worker is running, and runs its jobs in processes.
        """
        self._offer(name, function, timeout, Retries(retry_on, tries))

    def remove_function(self, name: Text) -> None:
        """Unregister a function. Its running jobs are finished.

        Raises:
            KeyError: The worker has no function of that name.
        """
        with self._lock:
            removed = self._functions.remove(name)
            if self._loop is not None:
                self._loop.remove(removed)

    def stop(self, *, grace: float | None = None) -> None:
        """Make `run` return, from any thread; a run that starts later returns at once.

        Args:
            grace: Seconds for the running jobs; by default the worker's option.
        """
        self._stop_requested = True
        loop = self._loop
        if loop is not None:
            loop.stop(self._options.grace if grace is None else grace)

    def _decorator(self, target: Callable[..., object] | str | None, offer: Offer) -> Callable[..., object]:
        """Offer a decorated function, or return a decorator that does.

        Raises:
            TypeError: The argument is neither a function nor a name, or the function has no name.
        """
        if callable(target):
            return offer(_name_of(target), target)
        if not isinstance(target, str | None):
            raise TypeError(
                f"this decorator takes a function, the name of one, or only keyword arguments, not {target!r}"
            )
        return lambda function: offer(target or _name_of(function), function)

    def _offer(
        self,
        name: Text,
        function: Callable[..., object],
        timeout: float | None,
        retries: Retries,
        *,
        interrupt: bool = False,
    ) -> Callable[..., object]:
        """Add a function, and return the object that takes its place in the user's module."""
        if is_job_function(function, self._job_type):
            self._add(name, self._retrying(self._call(function, None), retries), timeout, interrupt=interrupt)
            return function
        signature = Signature(function, display_name(name), job_type=self._job_type)
        call = self._retrying(self._call(function, signature), retries)
        added = self._add(name, call, timeout, codec_of(signature), interrupt=interrupt)
        return self._callable(function, signature, added.wire_name)

    def _add(
        self,
        name: Text,
        call: CallT,
        timeout: float | None,
        codec: Codec[Any, Any] | None = None,
        *,
        interrupt: bool = False,
    ) -> Function[CallT]:
        with self._lock:
            added = self._functions.add(name, call, timeout, codec, interrupt=interrupt)
            if self._loop is not None:
                self._loop.add(added)
        return added

    def _reducer(self, function: Callable[..., object], reducer: Text | None) -> bytes:
        """Return the reducer on the wire, empty for none, of a partition function.

        Raises:
            TypeError: The function is not called with a job.
        """
        if not is_job_function(function, self._job_type):
            raise TypeError(f"{function!r} has typed arguments; a partition takes the job")
        return b"" if reducer is None else function_bytes(reducer, self._options.prefix)

    def _client_options(self) -> dict[str, Any]:
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
    def _drop_client(self) -> None:
        """Forget the worker's own client, whose servers are not the worker's any more."""

    @abstractmethod
    def _call(self, function: Callable[..., object], signature: Signature | None) -> CallT:
        """Return a callable that does a job with a user's function.

        Raises:
            TypeError: This worker cannot call the function.
        """

    @abstractmethod
    def _retrying(self, call: CallT, retries: Retries) -> CallT:
        """Return a call that tries a function several times."""

    @abstractmethod
    def _callable(
        self, function: Callable[..., object], signature: Signature, wire_name: bytes
    ) -> Callable[..., object]:
        """Return the object that replaces a typed function: it calls the function here, or submits jobs for it."""

    def _check_functions(self) -> None:
        """Raise ``RuntimeError`` for a worker without functions, which would wait for ever."""
        if not any(True for _ in self._functions):
            raise RuntimeError(
                "the worker has no functions, so it would never get a job; "
                "add one with @worker.function or worker.add_function() before worker.run()"
            )

    def _begin(self, make_loop: MakeLoop[LoopT], *, burst: bool, idle_timeout: float | None) -> LoopT:
        """Make a loop, and pass calls of the worker's methods to it from now on.

        Raises:
            RuntimeError: The worker runs already.
        """
        with self._lock:
            if self._loop is not None:
                raise RuntimeError("the worker runs already")
            loop = make_loop(
                self._addresses,
                self._functions,
                tuple(self._middleware),
                self._options,
                burst=burst,
                idle_timeout=idle_timeout,
                registered=lambda: self._registered(),
            )
            self._loop = loop
            self._signals = 0
            if self._stop_requested:
                loop.stop(self._options.grace)
        return loop

    def _open_log(self) -> None:
        """Log the start of a run; the log may go to the console until `_close_log`.

        It is not called by the main thread of a blocking worker: a signal handler that raises in `logging` could leave
        a lock held that all other threads need.
        """
        self._console.open()
        _logger.info(
            "worker started with pid %d, servers %s, functions %s",
            os.getpid(),
            ", ".join(map(str, self._addresses)),
            ", ".join(function.name for function in self._functions) or "none yet",
        )

    def _close_log(self) -> None:
        self._console.close()

    def _end(self, loop: RunningLoop[CallT]) -> None:
        """Pass no more calls to a loop that has ended; may be called again."""
        with self._lock:
            if self._loop is loop:
                self._loop = None
                self._stop_requested = False

    def _on_signal(self) -> None:
        """Stop because of a signal; a second signal ends the time that the first one left to running jobs."""
        self._signals += 1
        self.stop(grace=None if self._signals == 1 else 0.0)


def _nothing() -> None:
    pass


def _name_of(function: Callable[..., object]) -> str:
    name: object = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"{function!r} has no name of its own; give it one, like add_function(name, function)")
    return name
