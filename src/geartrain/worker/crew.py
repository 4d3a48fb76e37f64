# SPDX-License-Identifier: MIT
"""The threads in which a blocking worker's jobs are done."""

import queue
import threading
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Crew"]

Task: TypeAlias = Callable[[], None]


class Crew:
    """A fixed number of threads. They are daemons: a job without end does not keep the process alive."""

    def __init__(self, size: int) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._labour, name=f"geartrain worker {number}", daemon=True)
            for number in range(1, size + 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def do(self, task: Task) -> None:
        """Have the next idle thread make a call."""
        self._tasks.put(task)

    def leave(self, *, wait: bool) -> None:
        """Have every thread end after what it does now, and perhaps wait for that."""
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _labour(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
