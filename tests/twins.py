# SPDX-License-Identifier: MIT
"""One test for a blocking class and its asyncio twin: event loops of both kinds, and calls that look blocking."""

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
    """An asyncio object whose methods are called as those of its blocking twin: each call is a run of the loop.

    Args:
        subject: The object.
        runner: What runs the loop.
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
