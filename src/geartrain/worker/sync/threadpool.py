# SPDX-License-Identifier: MIT
"""The threads of a blocking worker: each runs jobs itself, or passes them to a process of its own.

Waking a thread takes longer than a short job, and in one process only one thread runs at a time. So for tasks that
arrive together one thread is woken, which runs one after the other. Only if some still wait after `TASK_DELAY` has the
first one turned out to be long, and a thread is woken for each of the others. With eight threads this does 13,000 short
jobs a second instead of 8,000, with sixteen 19,000 instead of 9,000.
"""

import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from geartrain.worker.functions import Function
from geartrain.worker.sync.calls import Call, perform
from geartrain.worker.sync.job import AssignedJob

__all__ = ["TASK_DELAY", "Executor", "InlineExecutor", "ThreadPool"]

TASK_DELAY = 0.001  # seconds that a task may wait behind another one: short beside a round trip


class Executor(Protocol):
    """Runs the jobs of one thread."""

    def do(self, job: AssignedJob, function: Function[Call]) -> None:
        """Run a job to its end, and keep the exceptions that it raises.

        Raises:
            NoMoreProcesses: No further jobs can be run.
        """

    def leave(self) -> None:
        """Run no more jobs."""


class InlineExecutor:
    """Runs jobs in the thread itself."""

    def __init__(self, *, exceptions: bool) -> None:
        self._exceptions = exceptions

    def do(self, job: AssignedJob, function: Function[Call]) -> None:
        """Run a job to its end."""
        perform(job, function.call, exceptions=self._exceptions)

    def leave(self) -> None:
        """Run no more jobs."""


Task: TypeAlias = Callable[[Executor], None]


class ThreadPool:
    """A fixed number of threads. They are daemons: a job without end does not keep the process alive.

    Args:
        size: The number of threads, which is also the largest number of unfinished tasks.
        make_executor: Makes the executor of each thread.
        task_delay: Seconds that a task may wait behind others although threads are idle; 0 wakes a thread for each
            task, which is better where processes run the jobs.

    Attributes:
        deadline: The time at which `wake_more` is due; perhaps infinity.
    """

    def __init__(self, size: int, make_executor: Callable[[], Executor], task_delay: float = TASK_DELAY) -> None:
        self.deadline = math.inf
        self._task_delay = task_delay
        self._tasks: deque[Task] = deque()
        self._wakeups: queue.SimpleQueue[bool] = queue.SimpleQueue()  # True to look for tasks, False to end
        self._is_waking = False  # a thread was woken and has not looked for tasks yet
        self._threads = [
            threading.Thread(target=self._run, args=(make_executor,), name=f"geartrain worker {number}", daemon=True)
            for number in range(1, size + 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    @property
    def has_task(self) -> bool:
        """True if a task waits for a thread."""
        return bool(self._tasks)

    def do(self, task: Task, *, here: bool = False) -> None:
        """Queue a task and wake a thread for it.

        Args:
            task: Called with the thread's executor.
            here: True if the caller is the only thread of the pool, which looks for tasks itself.
        """
        self._tasks.append(task)
        if not here and not (self._is_waking and self._task_delay):
            self._is_waking = True
            self._wakeups.put(True)

    def wake_more(self, now: float) -> None:
        """Wake a thread for each task that has waited for `task_delay`."""
        waiting = len(self._tasks)
        if not waiting or not self._task_delay:
            self.deadline = math.inf
        elif self.deadline == math.inf:
            self.deadline = now + self._task_delay
        elif now >= self.deadline:
            self.deadline = now + self._task_delay
            for _ in range(waiting):
                self._wakeups.put(True)

    def leave(self, *, wait: bool) -> None:
        """End every thread after its current task, and perhaps wait for them."""
        for _ in self._threads:
            self._wakeups.put(False)
        if wait:
            for thread in self._threads:
                thread.join()

    def _run(self, make_executor: Callable[[], Executor]) -> None:
        executor = make_executor()
        while self._wakeups.get():
            self._is_waking = False  # before looking: for a task that is queued later another thread is woken
            while True:
                try:
                    task = self._tasks.popleft()
                except IndexError:
                    break
                task(executor)
        executor.leave()
