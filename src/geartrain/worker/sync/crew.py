# SPDX-License-Identifier: MIT
"""The threads in which a blocking worker's jobs are done, or each of which keeps a process that does them.

Waking a thread costs more than a short job, and in one process only one of them runs at a time. So for tasks that come
together one thread is woken, which does one after the other; only when some still wait after `PATIENCE` has the first
one turned out to take long, and each of the others gets a thread. With eight threads that makes 13,000 short jobs a
second of 8,000, with sixteen 19,000 of 9,000.
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

__all__ = ["PATIENCE", "Crew", "Hand", "OwnHand"]

PATIENCE = 0.001  # seconds; hardly anybody who waits for a job would notice


class Hand(Protocol):
    """What a thread does its jobs with."""

    def do(self, job: AssignedJob, function: Function[Call]) -> None:
        """Do a job up to its end; nothing that it raises gets any further.

        Raises:
            GeartrainError: Jobs can be done no more.
        """

    def leave(self) -> None:
        """Do no more jobs."""


class OwnHand:
    """Does jobs in the thread itself."""

    def __init__(self, *, exceptions: bool) -> None:
        self._exceptions = exceptions

    def do(self, job: AssignedJob, function: Function[Call]) -> None:
        """Do a job up to its end."""
        perform(job, function.call, exceptions=self._exceptions)

    def leave(self) -> None:
        """Do no more jobs."""


Task: TypeAlias = Callable[[Hand], None]


class Crew:
    """A fixed number of threads. They are daemons: a job without end does not keep the process alive.

    Args:
        size: How many; nobody gives them more tasks at a time.
        hand: Makes what each of them does its jobs with.
        patience: Seconds that a task may wait behind others although there are idle threads; 0 has a thread woken for
            each, which is better where processes do the jobs.

    Attributes:
        deadline: When to call `look` again; perhaps never.
    """

    def __init__(self, size: int, hand: Callable[[], Hand], patience: float = PATIENCE) -> None:
        self.deadline = math.inf
        self._patience = patience
        self._tasks: deque[Task] = deque()
        self._calls: queue.SimpleQueue[bool] = queue.SimpleQueue()  # to see if there are tasks; False to leave
        self._called = False  # and nobody has come yet
        self._threads = [
            threading.Thread(target=self._labour, args=(hand,), name=f"geartrain worker {number}", daemon=True)
            for number in range(1, size + 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    @property
    def has_task(self) -> bool:
        """Whether a task waits for a thread."""
        return bool(self._tasks)

    def do(self, task: Task, *, here: bool = False) -> None:
        """Have an idle thread make a call, soon; one that asks itself does it *here*, after what it does now."""
        self._tasks.append(task)
        if not here and not (self._called and self._patience):
            self._called = True
            self._calls.put(True)

    def look(self, now: float) -> None:
        """See to it that no task waits too long."""
        waiting = len(self._tasks)
        if not waiting or not self._patience:
            self.deadline = math.inf
        elif self.deadline == math.inf:
            self.deadline = now + self._patience
        elif now >= self.deadline:
            self.deadline = now + self._patience
            for _ in range(waiting):
                self._calls.put(True)

    def leave(self, *, wait: bool) -> None:
        """Have every thread end after what it does now, and perhaps wait for that."""
        for _ in self._threads:
            self._calls.put(False)
        if wait:
            for thread in self._threads:
                thread.join()

    def _labour(self, make_hand: Callable[[], Hand]) -> None:
        hand = make_hand()
        while self._calls.get():
            self._called = False  # before looking: a task that comes after the look has somebody called
            while True:
                try:
                    task = self._tasks.popleft()
                except IndexError:
                    break
                task(hand)
        hand.leave()
