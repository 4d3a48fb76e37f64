# SPDX-License-Identifier: MIT
"""The tasks of an asyncio worker, one for each running job."""

import asyncio
from collections.abc import Coroutine

__all__ = ["CANCEL_TIMEOUT", "TaskPool"]

CANCEL_TIMEOUT = 2.0  # seconds for cancelled jobs to clean up


class TaskPool:
    """Any number of tasks; the dispatcher limits it to the worker's slots.

    Args:
        cancel_timeout: Seconds that `leave` gives cancelled tasks to end.

    Attributes:
        is_leaving: True once `leave` was called.
    """

    def __init__(self, cancel_timeout: float = CANCEL_TIMEOUT) -> None:
        self.is_leaving = False
        self._cancel_timeout = cancel_timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run a coroutine in a task."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)  # the event loop keeps no reference
        task.add_done_callback(self._tasks.discard)

    async def leave(self) -> None:
        """Cancel the tasks that are running, and wait for their end, up to the timeout."""
        self.is_leaving = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._cancel_timeout)
