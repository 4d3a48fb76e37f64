# SPDX-License-Identifier: MIT
"""Shared tests for a blocking class and its asyncio twin: both event loops, and blocking calls."""

import asyncio
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvloop

__all__ = ["LOOPS", "Driven"]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Driven:
    """An asyncio object whose methods can be called like those of its blocking twin: each call runs the loop.

    Args:
        subject: The object.
        runner: Runs the event loop.
    """

    def __init__(self, subject: object, runner: asyncio.Runner) -> None:
        self._subject = subject
        self._runner = runner

    def __repr__(self) -> str:
        return repr(self._subject)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getattr__(self, name: str) -> Callable[..., object]:
        method = getattr(self._subject, name)

        def call(*arguments: object, **options: object) -> object:
            result = method(*arguments, **options)
            return self._runner.run(result) if inspect.iscoroutine(result) else result

        return call
