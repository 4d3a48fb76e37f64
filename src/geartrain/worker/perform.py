# SPDX-License-Identifier: MIT
"""Doing one job: the call, what is around it, and what its end means to the client."""

import logging
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

from geartrain.errors import JobFail
from geartrain.worker.job import AssignedJob

__all__ = ["Call", "Middleware", "perform", "wrap"]

Call: TypeAlias = Callable[[AssignedJob], object]
Middleware: TypeAlias = Callable[[AssignedJob, Call], object]

_logger = logging.getLogger("geartrain.worker")


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


def wrap(call: Call, middleware: Sequence[Middleware]) -> Call:
    """Return the call with everything around it, the first middleware outermost."""
    wrapped = _streaming(call)
    for layer in reversed(middleware):
        wrapped = _layered(layer, wrapped)
    return wrapped


def _streaming(call: Call) -> Call:
    return lambda job: _drain(job, call(job))


def _layered(layer: Middleware, inner: Call) -> Call:
    return lambda job: layer(job, inner)


def _drain(job: AssignedJob, result: object) -> object:
    """Send what a generator yields, and return what it returns; anything else is the result itself."""
    if not isinstance(result, Generator):
        return result
    while True:
        try:
            chunk = next(result)
        except StopIteration as end:
            return end.value
        job.data(chunk)
