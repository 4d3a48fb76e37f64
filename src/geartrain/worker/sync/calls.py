# SPDX-License-Identifier: MIT
"""Doing one job: the call, what is around it, and what its end means to the client."""

import inspect
import logging
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

from geartrain.errors import JobFail
from geartrain.typed import Signature
from geartrain.worker.arguments import with_arguments
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Call", "Middleware", "as_call", "drain", "perform", "wrap"]

Call: TypeAlias = Callable[[AssignedJob], object]
Middleware: TypeAlias = Callable[[AssignedJob, Call], object]

_logger = logging.getLogger("geartrain.worker")


def as_call(function: Callable[..., object], signature: Signature | None = None) -> Call:
    """Return what does a job, made of what a user registers.

    Args:
        function: That.
        signature: Its arguments, unless it is to be called with the job.

    Raises:
        TypeError: It would have to be awaited.
    """
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004  # an instance may hide a coroutine
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            raise TypeError(f"{function!r} is asynchronous; geartrain.AsyncWorker calls such functions")
    call = function if signature is None else with_arguments(function, signature)
    return lambda job: drain(job, call(job))


def wrap(call: Call, middleware: Sequence[Middleware]) -> Call:
    """Return the call with everything around it, the first middleware outermost."""
    for layer in reversed(middleware):
        call = _layered(layer, call)
    return call


def perform(job: AssignedJob, call: Call, *, exceptions: bool = True) -> None:
    """Do a job up to its end; nothing that the call raises gets any further.

    Args:
        exceptions: See ``tell`` of `AssignedJob.raised`.
    """
    try:
        job.complete(call(job))
    except JobFail as failure:
        _logger.info("%s %s failed: %s", job.function, job.handle, failure)
        job.fail()
    # Also SystemExit and its kind: the thread has other jobs to do, and the client waits for an answer.
    except BaseException as error:
        _logger.exception("%s %s raised", job.function, job.handle)
        job.raised(error, tell=exceptions)


def _layered(layer: Middleware, inner: Call) -> Call:
    return lambda job: layer(job, inner)


def drain(job: AssignedJob, result: object) -> object:
    """Send what a generator yields, and return what it returns; anything else is the result itself."""
    if not isinstance(result, Generator):
        return result
    while True:
        try:
            chunk = next(result)
        except StopIteration as end:
            return end.value
        job.data(chunk)
