# SPDX-License-Identifier: MIT
"""Doing one job: the call, what is around it, and what its end means to the client."""

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from geartrain.errors import JobFail
from geartrain.typed import Signature
from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.arguments import with_arguments

__all__ = ["AsyncCall", "AsyncMiddleware", "as_call", "drain", "perform", "wrap"]

AsyncCall: TypeAlias = Callable[[AsyncAssignedJob], Awaitable[object]]
AsyncMiddleware: TypeAlias = Callable[[AsyncAssignedJob, AsyncCall], Awaitable[object]]

_logger = logging.getLogger("geartrain.worker")


def as_call(function: Callable[..., object], signature: Signature | None = None) -> AsyncCall:
    """Return what does a job, made of what a user registers.

    Args:
        function: That.
        signature: Its arguments, unless it is to be called with the job.

    Raises:
        TypeError: It would hold up the event loop.
    """
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004  # an instance may hide a coroutine
        if inspect.iscoroutinefunction(candidate):
            return function if signature is None else with_arguments(function, signature)  # type: ignore[return-value]  # it was looked at
        if inspect.isasyncgenfunction(candidate):
            return lambda job: drain(job, function(job))  # type: ignore[arg-type]  # it was looked at
    raise TypeError(
        f"{function!r} is not an async def and would hold up all other jobs; "
        "geartrain.Worker calls such functions, and asyncio.to_thread takes them out of an async def"
    )


def wrap(call: AsyncCall, middleware: Sequence[AsyncMiddleware]) -> AsyncCall:
    """Return the call with everything around it, the first middleware outermost."""
    for layer in reversed(middleware):
        call = _layered(layer, call)
    return call


async def perform(job: AsyncAssignedJob, call: AsyncCall, *, exceptions: bool = True) -> None:
    """Do a job up to its end; nothing that the call raises gets any further.

    Args:
        exceptions: See ``tell`` of `AsyncAssignedJob.raised`.
    """
    try:
        job.complete(await call(job))
    except JobFail as failure:
        _logger.info("%s %s failed: %s", job.function, job.handle, failure)
        job.fail()
    except asyncio.CancelledError as error:  # by the worker, which then says nothing of the job, or by the call itself
        _logger.warning("%s %s was cancelled", job.function, job.handle)
        job.raised(error, tell=exceptions)
    # Also SystemExit and its kind: the loop has other jobs to do, and the client waits for an answer.
    except BaseException as error:
        _logger.exception("%s %s raised", job.function, job.handle)
        job.raised(error, tell=exceptions)


def _layered(layer: AsyncMiddleware, inner: AsyncCall) -> AsyncCall:
    return lambda job: layer(job, inner)


async def drain(job: AsyncAssignedJob, results: AsyncGenerator[object, None]) -> None:
    """Send what a generator yields."""
    async with aclosing(results):
        async for chunk in results:
            await job.data(chunk)
