# SPDX-License-Identifier: MIT
"""Calls of blocking functions: one job from its start to its end. Its twin is `geartrain.worker.aio.calls`."""

import inspect
import itertools
import logging
from collections.abc import Callable, Generator
from contextvars import Context
from typing import TypeAlias

from geartrain.errors import Fail
from geartrain.typed import Signature
from geartrain.worker.arguments import with_arguments
from geartrain.worker.current import current_job
from geartrain.worker.functions import Retries
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Call", "Middleware", "as_call", "perform", "retrying", "send_chunks"]

Call: TypeAlias = Callable[[AssignedJob], object]
Middleware: TypeAlias = Callable[[AssignedJob, Call], object]

_logger = logging.getLogger("geartrain.worker")


def as_call(function: Callable[..., object], signature: Signature | None = None) -> Call:
    """Return a callable that takes a job and calls a user's function.

    Args:
        function: The function.
        signature: Its arguments, unless it is called with the job.

    Raises:
        TypeError: The function is asynchronous.
    """
    for candidate in (function, getattr(function, "__call__", None)):  # noqa: B004  # an instance may hide a coroutine
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            raise TypeError(f"{function!r} is asynchronous; geartrain.AsyncWorker calls such functions")
    call = function if signature is None else with_arguments(function, signature)
    return lambda job: send_chunks(job, call(job))


def retrying(call: Call, retries: Retries) -> Call:
    """Return a call that calls a function again after the exceptions that its retries name."""
    if retries.tries == 1:
        return call

    def tried(job: AssignedJob) -> object:
        for number in itertools.count(1):
            try:
                return call(job)
            except BaseException as error:
                if not retries.goes_on(error, number, may_repeat=job.may_repeat):
                    raise
                _logger.warning("%s %s: try %d failed: %r", job.function, job.handle, number, error)
        raise AssertionError("the last try returns or raises")

    return tried


def perform(job: AssignedJob, call: Call, *, exceptions: bool = True) -> None:
    """Run a job to its end in its own context; exceptions of the call end the job as well.

    Args:
        job: The job.
        call: The user's function, with the middleware around it.
        exceptions: See ``tell`` of `AssignedJob.raised`.
    """
    Context().run(_perform, job, call, exceptions)


def _perform(job: AssignedJob, call: Call, exceptions: bool) -> None:
    current_job.set(job)
    try:
        job.complete(call(job))
    except Fail as failure:
        _logger.info("%s %s failed: %s", job.function, job.handle, failure)
        job.failed(failure, tell=exceptions)
    # SystemExit and the like too: the thread has further jobs to run, and the client waits for an answer.
    except BaseException as error:
        _logger.exception("%s %s raised", job.function, job.handle)
        job.raised(error, tell=exceptions)


def send_chunks(job: AssignedJob, result: object) -> object:
    """Send the items of a generator, and return its return value; any other result is returned unchanged."""
    if not isinstance(result, Generator):
        return result
    while True:
        try:
            chunk = next(result)
        except StopIteration as end:
            return end.value
        job.data(chunk)
