# SPDX-License-Identifier: MIT
"""Calls of asynchronous functions: one job from its start to its end. Its twin is `geartrain.worker.sync.calls`."""

import asyncio
import inspect
import itertools
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeAlias

from geartrain.errors import Fail
from geartrain.typed import Signature
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.arguments import with_arguments
from geartrain.worker.current import current_job
from geartrain.worker.functions import Retries

__all__ = ["AsyncCall", "AsyncMiddleware", "as_call", "perform", "retrying", "send_chunks"]

AsyncCall: TypeAlias = Callable[[AsyncAssignedJob], Awaitable[object]]
AsyncMiddleware: TypeAlias = Callable[[AsyncAssignedJob, AsyncCall], Awaitable[object]]

_logger = logging.getLogger("geartrain.worker")


def as_call(function: Callable[..., object], signature: Signature | None = None) -> AsyncCall:
    """Return a callable that takes a job and calls a user's function.

    Args:
        function: The function.
        signature: Its arguments, unless it is called with the job.

    Raises:
        TypeError: The function would block the event loop.
    """
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004  # an instance may hide a coroutine
        if inspect.iscoroutinefunction(candidate):
            return function if signature is None else with_arguments(function, signature)  # type: ignore[return-value]  # checked
        if inspect.isasyncgenfunction(candidate):
            return lambda job: send_chunks(job, function(job))  # type: ignore[arg-type]  # checked
    raise TypeError(
        f"{function!r} is not an async def and would block all other jobs; use geartrain.Worker for it, or call it by "
        "asyncio.to_thread from an async def"
    )


def retrying(call: AsyncCall, retries: Retries) -> AsyncCall:
    """Return a call that calls a function again after the exceptions that its retries name."""
    if retries.tries == 1:
        return call

    async def tried(job: AsyncAssignedJob) -> object:
        for number in itertools.count(1):
            try:
                return await call(job)
            except BaseException as error:
                if not retries.goes_on(error, number, may_repeat=job.may_repeat):
                    raise
                _logger.warning("%s %s: try %d failed: %r", job.function, job.handle, number, error)
        raise AssertionError("the last try returns or raises")

    return tried


async def perform(job: AsyncAssignedJob, call: AsyncCall, *, exceptions: bool = True) -> None:
    """Run a job to its end, and turn exceptions of the call into the job's end.

    Args:
        job: The job.
        call: The user's function, with the middleware around it.
        exceptions: See ``tell`` of `AsyncAssignedJob.raised`.
    """
    current_job.set(job)  # in the context of the job's task
    try:
        job.complete(await call(job))
    except Fail as failure:
        _logger.info("%s %s failed: %s", job.function, job.handle, failure)
        job.failed(failure, tell=exceptions)
    except asyncio.CancelledError as error:  # by the worker, which then reports nothing, or by the call itself
        _logger.warning("%s %s was cancelled", job.function, job.handle)
        job.raised(error, tell=exceptions)
    # SystemExit and the like too: the loop has further jobs to run, and the client waits for an answer.
    except BaseException as error:
        _logger.exception("%s %s raised", job.function, job.handle)
        job.raised(error, tell=exceptions)


async def send_chunks(job: AsyncAssignedJob, chunks: AsyncGenerator[object, None]) -> None:
    """Send the items of a generator."""
    async with aclosing(chunks):
        async for chunk in chunks:
            await job.data(chunk)
