# SPDX-License-Identifier: MIT
"""The threads in which a blocking worker's jobs are done, or each of which keeps a process that does them.

Waking a thread costs more than a short job. So for any number of new tasks one thread is woken, and wakes another one
before it begins if more tasks wait: a task is begun at once however long the others take, and those of a batch that
are over in a moment are done by few threads.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from geartrain.worker.functions import Function
from geartrain.worker.sync.calls import Call, perform
from geartrain.worker.sync.job import AssignedJob

__all__ = ["Crew", "Hand", "OwnHand"]


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
    """

    def __init__(self, size: int, hand: Callable[[], Hand]) -> None:
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

    def do(self, task: Task) -> None:
        """Have an idle thread make a call."""
        self._tasks.append(task)
        self._call()

    def leave(self, *, wait: bool) -> None:
        """Have every thread end after what it does now, and perhaps wait for that."""
        for _ in self._threads:
            self._calls.put(False)
        if wait:
            for thread in self._threads:
                thread.join()

    def _call(self) -> None:
        # Two who do this at once may call one too many, who finds nothing and waits again.
        if not self._called:
            self._called = True
            self._calls.put(True)

    def _labour(self, make_hand: Callable[[], Hand]) -> None:
        hand = make_hand()
        while self._calls.get():
            self._called = False  # before looking: a task that comes after the look has somebody called
            while self._tasks:
                try:
                    task = self._tasks.popleft()
                except IndexError:  # another thread was quicker
                    break
                if self._tasks:
                    self._call()
                task(hand)
        hand.leave()
