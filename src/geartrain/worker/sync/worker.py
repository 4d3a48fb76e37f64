# SPDX-License-Identifier: MIT
"""The blocking worker."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from types import FrameType
from typing import Unpack

from geartrain.transport import Servers
from geartrain.worker.options import Executor, Options, Reason, WorkerOptions
from geartrain.worker.registry import Registry
from geartrain.worker.sync.calls import Call, Middleware, as_call
from geartrain.worker.sync.loop import WorkerLoop

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

    def __init__(self, servers: Servers = None, *, executor: Executor = "thread", **options: Unpack[Options]) -> None:
        options.setdefault("concurrency", 1)
        super().__init__(servers, WorkerOptions(executor=executor, **options))

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

    def _call(self, function: Callable[..., object]) -> Call:
        if self._options.executor == "process" and self._loop is not None:
            raise RuntimeError(
                "processes know the functions that were there when they were forked: add them before run"
            )
        return as_call(function)

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
