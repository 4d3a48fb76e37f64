# SPDX-License-Identifier: MIT
"""Middleware: functions around every job of a worker, or every request of a client, blocking or asynchronous."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["wrap"]

CallT = TypeVar("CallT", bound=Callable[..., Any])


def wrap(call: CallT, middleware: Sequence[Callable[..., Any]]) -> CallT:
    """Return a call with all middleware around it, the first one outermost.

    Args:
        call: Takes one argument: a job or a request.
        middleware: Functions of that argument and of the next call.
    """
    for layer in reversed(middleware):
        call = _layered(layer, call)
    return call


def _layered(layer: Callable[..., Any], inner: CallT) -> CallT:
    return lambda subject: layer(subject, inner)  # type: ignore[return-value]  # a layer takes and returns what a call does
