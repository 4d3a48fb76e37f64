# SPDX-License-Identifier: MIT
"""A worker for a test, in a thread."""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from geartrain.codec import RAW, Codec
from geartrain.names import Text
from geartrain.transport import Servers, parse_servers
from geartrain.worker import Reason, Worker
from geartrain.worker.aio import AsyncWorker

__all__ = ["as_any_worker", "as_worker", "run_worker"]

_PATIENCE = 20.0  # seconds that nothing takes unless it will take for ever


def as_worker(
    functions: Worker | Mapping[str, Callable[..., object]], *, prefix: Text = "", codec: Codec[Any, Any] = RAW
) -> Worker:
    """Return a blocking worker that can do these functions, which may be one already and is then left as it is."""
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
    """Do as `as_worker`, but with a worker for an event loop if that is one, or if functions are asynchronous."""
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
    """Run a worker for the length of a block, at the end of which it finishes what it has in hand.

    It runs in a thread; an `AsyncWorker` has an event loop of its own there.

    Args:
        functions: The worker, or the functions of one by name, all with ``async def`` or all without.
        servers: Whom it is to work for in the block, instead of those that it was made for.

    Raises:
        AssertionError: At its end a job still runs, and does not end for a long time.
    """
    worker = as_any_worker(functions)
    own = worker._addresses
    if servers is not None:
        worker._addresses = parse_servers(servers)
    ended: Future[Reason] = Future()
    thread = threading.Thread(target=_run, args=(worker, ended), name="gearman worker", daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        try:
            ended.result(_PATIENCE)
        except TimeoutError:
            raise AssertionError(f"{worker!r} still has a job in hand") from None
        finally:
            worker._addresses = own


def _run(worker: Worker | AsyncWorker, ended: Future[Reason]) -> None:
    try:
        ended.set_result(worker.run() if isinstance(worker, Worker) else asyncio.run(worker.run()))
    except BaseException as error:  # noqa: BLE001  # whoever waits for the end is to have it
        ended.set_exception(error)
