# SPDX-License-Identifier: MIT
"""Workers for tests, in a thread."""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from geartrain.codec import RAW, Codec
from geartrain.names import Text
from geartrain.transport import Servers
from geartrain.worker import Reason, Worker
from geartrain.worker.aio import AsyncWorker

__all__ = ["as_any_worker", "as_worker", "run_worker"]

_START_TIMEOUT = 20.0  # seconds
_STOP_TIMEOUT = 20.0  # seconds; a worker without running jobs stops far sooner


def as_worker(
    functions: Worker | Mapping[str, Callable[..., object]], *, prefix: Text = "", codec: Codec[Any, Any] = RAW
) -> Worker:
    """Return a blocking worker for functions; a worker is returned unchanged."""
    if isinstance(functions, Worker):
        return functions
    worker = Worker("localhost", prefix=prefix, codec=codec)
    for name, function in _by_name(functions).items():
        worker.add_function(name, function)
    return worker


def as_any_worker(
    functions: Worker | AsyncWorker | Mapping[str, Callable[..., object]],
    *,
    prefix: Text = "",
    codec: Codec[Any, Any] = RAW,
) -> Worker | AsyncWorker:
    """Return a worker as `as_worker` does, or an asyncio worker for asynchronous functions."""
    if isinstance(functions, AsyncWorker):
        return functions
    if isinstance(functions, Worker) or not any(map(_is_async, _by_name(functions).values())):
        return as_worker(functions, prefix=prefix, codec=codec)
    worker = AsyncWorker("localhost", prefix=prefix, codec=codec)
    for name, function in functions.items():
        worker.add_function(name, function)
    return worker


def _by_name(functions: object) -> Mapping[str, Callable[..., object]]:
    if not isinstance(functions, Mapping):
        raise TypeError(f"functions are given as a worker, or by their names like {{'f': f}}, not as {functions!r}")
    return functions


def _is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


@contextlib.contextmanager
def run_worker(
    functions: Worker | AsyncWorker | Mapping[str, Callable[..., object]], servers: Servers = None
) -> Iterator[Worker | AsyncWorker]:
    """Run a worker for the length of a block; at its end the worker finishes its running jobs.

    It runs in a thread; an `AsyncWorker` has an event loop of its own there. The block begins when the servers know the
    worker's functions. The jobs that typed functions submit in it go to the same servers.

    Args:
        functions: The worker, or functions by name, all with ``async def`` or all without.
        servers: The servers for the block, in place of the worker's own.

    Raises:
        AssertionError: A job is running at the end, and does not end within 20 seconds; or a server does not answer for
            so long at the beginning.
    """
    worker = as_any_worker(functions)
    own = worker.servers
    if servers is not None:
        worker.servers = servers
    ended: Future[Reason] = Future()
    registered = threading.Event()
    ended.add_done_callback(lambda _: registered.set())
    before, worker._registered = worker._registered, registered.set
    thread = threading.Thread(target=_run, args=(worker, ended), name="gearman worker", daemon=True)
    thread.start()
    try:
        assert registered.wait(_START_TIMEOUT), f"no answer from the servers of {worker!r}"
        yield worker
    finally:
        worker.stop()
        try:
            ended.result(_STOP_TIMEOUT)
        except TimeoutError:
            raise AssertionError(f"{worker!r} still runs a job") from None
        finally:
            worker._registered = before
            if servers is not None and ended.done():
                worker.servers = own


def _run(worker: Worker | AsyncWorker, ended: Future[Reason]) -> None:
    try:
        ended.set_result(worker.run() if isinstance(worker, Worker) else asyncio.run(worker.run()))
    except BaseException as error:  # noqa: BLE001  # `run_worker` raises it
        ended.set_exception(error)
