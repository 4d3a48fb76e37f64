# SPDX-License-Identifier: MIT
"""The tasks of an asyncio worker, one for each running job."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context

from geartrain.worker.options import CANCEL_TIMEOUT

__all__ = ["TaskPool"]


class TaskPool:
    """Any number of tasks; the dispatcher limits it to the worker's slots.

    Args:
        interrupted: Called when a task has raised an exception, which only a signal handler can make it do.
        cancel_timeout: Seconds that `leave` gives cancelled tasks to end.

    Attributes:
        is_leaving: True once `leave` was called.
    """

    def __init__(self, interrupted: Callable[[], object], cancel_timeout: float = CANCEL_TIMEOUT) -> None:
        self.is_leaving = False
        self._interrupted = interrupted
        self._cancel_timeout = cancel_timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run a coroutine in a task with a context of its own."""
        task = asyncio.create_task(coroutine, context=Context())
        self._tasks.add(task)  # the event loop keeps no reference
        task.add_done_callback(self._discard)

    def cancel(self) -> None:
        """Cancel the tasks that are running."""
        self.is_leaving = True
        for task in self._tasks:
            task.cancel()

    async def leave(self) -> None:
        """Cancel the tasks that are running, and wait for their end, up to the timeout."""
        self.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._cancel_timeout)

    def _discard(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._interrupted()
