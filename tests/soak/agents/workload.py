# SPDX-License-Identifier: MIT
"""What agents in Python enter into the ledger, and what their jobs are like."""

import os
import random
import time
from dataclasses import dataclass
from hashlib import shake_128

from geartrain import JobRequest, Priority

__all__ = ["FUNCTION", "Entries", "Task", "name_of"]

FUNCTION = "soak"


@dataclass(frozen=True, slots=True)
class Task:
    """A job, before it is one."""

    name: str
    workload: str
    unique: str | None
    priority: Priority

    def request(self) -> JobRequest:
        """Return it as clients want it."""
        return JobRequest(FUNCTION, self.workload, self.unique, self.priority)


class Entries:
    """One agent's way into the ledger. Each entry is one write, so that it is there whole when the agent is killed.

    Args:
        ledger: The file.
        name: The agent's own name.
    """

    def __init__(self, ledger: str, name: str) -> None:
        self._file = os.open(ledger, os.O_WRONLY | os.O_APPEND)
        self._name = name
        self._number = 0

    def enter(self, *words: str) -> None:
        """Write one line."""
        os.write(self._file, f"{time.time():.3f} {' '.join(words)}\n".encode())

    def ask(self) -> Task:
        """Return something to be done, entered as what is about to be submitted."""
        self._number += 1
        name = f"{self._name}-{self._number}"
        self.enter("asked", name)
        size = random.choice((0, 10, 1000, 10_000))
        unique = random.choice((None, name))
        return Task(name, f"{name} {shake_128(name.encode()).hexdigest(size)}", unique, random.choice(list(Priority)))

    def compare(self, task: Task, result: bytes) -> None:
        """Enter what it has brought."""
        if result == f"done {task.name} {len(task.workload)}".encode():
            self.enter("result", task.name)
        else:
            self.enter("wrong", task.name, repr(result[:100]))

    def do(self, workload: bytes) -> bytes:
        """Enter that a job is done, and return its result."""
        job = name_of(workload)
        self.enter("did", job, self._name)
        return f"done {job} {len(workload)}".encode()


def name_of(workload: bytes) -> str:
    """Return the name of a job, or the same with a mark when its workload is not what it was."""
    job, _, rest = workload.decode().partition(" ")
    intact = set(rest) <= {"x"} or rest == shake_128(job.encode()).hexdigest(len(rest) // 2)
    return job if intact else f"{job}-changed"
