# SPDX-License-Identifier: MIT
"""Interpreter steps: the lines that run, a measure of cost that is the same on any machine."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Steps", "TooMany", "count"]

Steps = int


class TooMany(Exception):
    """The work was stopped, as it took more steps than it may."""


def count(work: Callable[[], object], most: Steps) -> Steps:
    """Return the number of lines that run in some work; loops of the interpreter's own functions are not counted.

    Raises:
        TooMany: There are more than ``most``.
    """
    steps = 0

    def trace(frame: FrameType, event: str, argument: object) -> "Callable[[FrameType, str, Any], Any] | None":
        nonlocal steps
        steps += 1
        if steps > most:
            sys.settrace(None)
            raise TooMany
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps
