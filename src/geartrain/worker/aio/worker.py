# SPDX-License-Identifier: MIT
"""The asyncio worker."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from geartrain.transport import Servers
from geartrain.worker.aio.calls import AsyncCall, AsyncMiddleware, as_call
from geartrain.worker.aio.loop import WorkerLoop
from geartrain.worker.options import Options, Reason, WorkerOptions
from geartrain.worker.registry import Registry

__all__ = ["AsyncWorker"]


class AsyncWorker(Registry[AsyncCall, AsyncMiddleware]):
    """Does jobs for any number of servers, in tasks of an event loop.

    ::

        worker = AsyncWorker()

        @worker.function
        async def fetch(job):
            return await download(job.text)

        asyncio.run(worker.run())

    Functions are ``async def``; what an asynchronous generator yields is sent piece by piece. A plain function would
    hold up all other jobs and is refused.

    In a program that has other things to do, such as a web application, ``async with worker:`` works for the length of
    a block, and leaves as after `stop` at its end. Signals are then the program's own business.

    Args:
        servers: See `geartrain.transport.parse_servers`; all of them are talked to at once.
        options: As `geartrain.worker.WorkerOptions` has them. `concurrency` is 100 unless given.

    Raises:
        LocalProtocolError: The client's id cannot travel.
        ValueError: A server is no address, or an option is out of range.
    """

    def __init__(self, servers: Servers = None, **options: Unpack[Options]) -> None:
        options.setdefault("concurrency", 100)
        super().__init__(servers, WorkerOptions(**options))
        self._background: asyncio.Task[Reason] | None = None

    async def __aenter__(self) -> Self:
        self._background = asyncio.create_task(self._run(burst=False, idle_timeout=None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        background = self._background
        assert background is not None, "a block is left after it was entered"
        self._background = None
        if not background.done():
            self.stop()
        await background

    async def run(self, *, burst: bool = False, idle_timeout: float | None = None) -> Reason:
        """Do jobs until there is a reason to leave, and return it.

        In the main thread SIGINT and SIGTERM are reasons: the jobs in hand have `grace` seconds to end, and a second
        signal takes these away. What is not done then is cancelled; it goes back to its server when the connection
        closes, and to another worker. The same happens to everything in hand when this call is cancelled.

        Args:
            burst: Leave when no server has a job.
            idle_timeout: Leave after so many seconds without a job.

        Raises:
            NoServerAvailable: In a burst, none of the servers could be reached. Otherwise they are waited for.
        """
        with self._signals_taken():
            return await self._run(burst=burst, idle_timeout=idle_timeout)

    async def _run(self, *, burst: bool, idle_timeout: float | None) -> Reason:
        with self._occupied(partial(self._new_loop, burst=burst, idle_timeout=idle_timeout)) as loop:
            return await loop.run()

    def _call(self, function: Callable[..., object]) -> AsyncCall:
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
    def _signals_taken(self) -> Iterator[None]:
        """Turn the signals that end a process into calls of `stop`, where Python allows it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.getsignal(number) for number in numbers}
        for number in numbers:
            loop.add_signal_handler(number, self._take_signal)
        try:
            yield
        finally:
            for number, handler in previous.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
