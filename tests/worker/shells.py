# SPDX-License-Identifier: MIT
"""One interface to the workers of every kind, so that one test covers all of them.

Functions are written as ``async def`` with the job of `AsyncWorker`. In a blocking worker nothing in them ever waits
for an event loop, so a plain loop runs their coroutines to the end.
"""

import asyncio
import contextlib
import inspect
import os
import select
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, TypeAlias, cast

import pytest
import uvloop

from geartrain import AssignedJob, AsyncAssignedJob, AsyncWorker, Worker
from geartrain.worker import Options, Reason

__all__ = ["PATIENCE", "PROCESSES", "SHELLS", "THREADS", "Gate", "Notes", "ShelledWorker", "shell", "working"]

PATIENCE = 60.0  # seconds after which a test fails

Function: TypeAlias = Callable[[AsyncAssignedJob], Coroutine[None, None, object] | AsyncGenerator[object, None]]

THREADS, PROCESSES, ASYNCIO, UVLOOP = "threads", "processes", "asyncio", "uvloop"
# Python 3.12 and later warn of a fork in a process with threads; tests have some.
_FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
SHELLS = [THREADS, pytest.param(PROCESSES, marks=_FORKS), ASYNCIO, UVLOOP]
_LOOPS = {ASYNCIO: asyncio.new_event_loop, UVLOOP: uvloop.new_event_loop}


class ShelledWorker:
    """A worker of one kind, spoken to as if it were blocking."""

    def __init__(self, shell: str, *servers: str, **options: Any) -> None:
        self._shell = shell
        chosen: Options = {"concurrency": 1, **options}  # type: ignore[typeddict-item]  # tests know the names
        self._worker: Worker | AsyncWorker
        if shell in _LOOPS:
            self._worker = AsyncWorker(servers, **chosen)
        else:
            self._worker = Worker(servers, executor="process" if shell == PROCESSES else "thread", **chosen)

    def run(self, **options: Any) -> Reason:
        if isinstance(self._worker, Worker):
            return self._worker.run(**options)
        with asyncio.Runner(loop_factory=_LOOPS[self._shell]) as runner:
            return runner.run(self._worker.run(**options))

    def function(self, function: Function) -> Function:
        self.add_function(function.__name__, function)
        return function

    def add_function(self, name: str, function: Function, **options: Any) -> None:
        self._worker.add_function(name, self._suited(function), **options)

    def remove_function(self, name: str) -> None:
        self._worker.remove_function(name)

    def stop(self, *, grace: float | None = None) -> None:
        self._worker.stop(grace=grace)

    def middleware(self, layer: Callable[[Any, Any], Coroutine[None, None, object]]) -> None:
        """Take a layer whose ``call(job)`` is awaited."""
        if isinstance(self._worker, AsyncWorker):
            self._worker.middleware(layer)
        else:
            self._worker.middleware(lambda job, call: _by_hand(layer(job, _awaited(call))))

    def _suited(self, function: Function) -> Callable[..., object]:
        if self._shell in _LOOPS:
            return function
        return _streamed(function) if inspect.isasyncgenfunction(function) else _called(function)


@contextlib.contextmanager
def working(worker: ShelledWorker | Worker) -> Iterator[None]:
    """Run a worker in a thread for the length of a block."""
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop(grace=PATIENCE)
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Gate:
    """An event for jobs wherever they run, in a forked process as well."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        os.close(self._in)
        os.close(self._out)

    def open(self) -> None:
        """Let everybody through, now and later."""
        os.write(self._in, b"!")

    def wait(self) -> None:
        """Wait in a thread until the gate is open."""
        assert select.select([self._out], [], [], PATIENCE)[0]

    async def passed(self) -> None:
        """Wait in a job until the gate is open, without holding up others."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.wait()
            return
        opened = asyncio.Event()
        mine = os.dup(self._out)  # a loop has one reader for each descriptor
        loop.add_reader(mine, opened.set)
        try:
            async with asyncio.timeout(PATIENCE):
                await opened.wait()
        finally:
            loop.remove_reader(mine)
            os.close(mine)


class Notes:
    """Messages from jobs to the test, from any thread or process."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)

    def __enter__(self) -> "Notes":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._in)
        os.close(self._out)

    def write(self, note: bytes) -> None:
        os.write(self._in, note + b"\n")

    def read(self) -> list[bytes]:
        """Return all notes so far."""
        try:
            return os.read(self._out, 65536).splitlines()
        except BlockingIOError:
            return []


class _Awaited:
    """A blocking job with asynchronous methods."""

    def __init__(self, job: AssignedJob) -> None:
        self._job = job

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    async def data(self, chunk: object) -> None:
        self._job.data(chunk)

    async def warning(self, text: str) -> None:
        self._job.warning(text)

    async def progress(self, done: int, total: int) -> None:
        self._job.progress(done, total)


def _by_hand(coroutine: Coroutine[None, None, object]) -> object:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a job that blocks waits for nothing")


def _called(function: Function) -> Callable[[AssignedJob], object]:
    return lambda job: _by_hand(cast("Coroutine[None, None, object]", function(_as_async(job))))


def _streamed(function: Function) -> Callable[[AssignedJob], Iterator[object]]:
    def stream(job: AssignedJob) -> Iterator[object]:
        chunks = cast("AsyncGenerator[object, None]", function(_as_async(job)))
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield _by_hand(chunks.asend(None))

    return stream


def _as_async(job: AssignedJob) -> AsyncAssignedJob:
    return cast("AsyncAssignedJob", _Awaited(job))


def _awaited(call: Callable[[AssignedJob], object]) -> Callable[[AssignedJob], Coroutine[None, None, object]]:
    async def awaited(job: AssignedJob) -> object:
        return call(job)

    return awaited


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """The kind of worker."""
    return str(request.param)
