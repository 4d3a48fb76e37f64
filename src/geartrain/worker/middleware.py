# SPDX-License-Identifier: MIT
"""Middleware: functions ``(job, call)`` around every job of a worker, blocking or asynchronous."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

__all__ = ["wrap"]

CallT = TypeVar("CallT", bound=Callable[..., Any])


def wrap(call: CallT, middleware: Sequence[Callable[..., Any]]) -> CallT:
    """Return a call with all middleware around it, the first one outermost."""
    for layer in reversed(middleware):
        call = _layered(layer, call)
    return call


def _layered(layer: Callable[..., Any], inner: CallT) -> CallT:
    return lambda job: layer(job, inner)  # type: ignore[return-value]  # a layer takes and returns what a call does
