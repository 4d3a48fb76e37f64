# SPDX-License-Identifier: MIT
"""The tasks in which an asyncio worker's jobs are done."""

import asyncio
from collections.abc import Coroutine

__all__ = ["Crew"]

FAREWELL = 2.0  # seconds for cancelled jobs to clean up


class Crew:
    """Any number of tasks; nobody gives it more than there are slots for."""

    def __init__(self) -> None:
        self.is_leaving = False
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, task: Coroutine[object, object, None]) -> None:
        """Have a coroutine run beside the others."""
        begun = asyncio.create_task(task)
        self._tasks.add(begun)  # the event loop itself keeps none
        begun.add_done_callback(self._tasks.discard)

    async def leave(self) -> None:
        """Cancel what still runs; what does not end then is not waited for."""
        self.is_leaving = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL)
