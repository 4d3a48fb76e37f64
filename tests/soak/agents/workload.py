# SPDX-License-Identifier: MIT
"""Ledger entries and jobs of the agents in Python."""

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
    """A job that is to be submitted."""

    name: str
    workload: str
    unique: str | None
    priority: Priority

    def request(self) -> JobRequest:
        """Return the request for a client."""
        return JobRequest(FUNCTION, self.workload, self.unique, self.priority)


class Entries:
    """Writes entries of one agent to the ledger: one write each, so that a kill leaves no partial entry.

    Args:
        ledger: The file.
        name: The name of the agent.
    """

    def __init__(self, ledger: str, name: str) -> None:
        self._file = os.open(ledger, os.O_WRONLY | os.O_APPEND)
        self._name = name
        self._number = 0

    def enter(self, *words: str) -> None:
        """Write one line."""
        os.write(self._file, f"{time.time():.3f} {' '.join(words)}\n".encode())

    def ask(self) -> Task:
        """Create a job, and record that it is about to be submitted."""
        self._number += 1
        name = f"{self._name}-{self._number}"
        self.enter("asked", name)
        size = random.choice((0, 10, 1000, 10_000))
        unique = random.choice((None, name))
        return Task(name, f"{name} {shake_128(name.encode()).hexdigest(size)}", unique, random.choice(list(Priority)))

    def compare(self, task: Task, result: bytes) -> None:
        """Record whether the result of a job is right."""
        if result == f"done {task.name} {len(task.workload)}".encode():
            self.enter("result", task.name)
        else:
            self.enter("wrong", task.name, repr(result[:100]))

    def do(self, workload: bytes) -> bytes:
        """Record that a job ran, and return its result."""
        job = name_of(workload)
        self.enter("did", job, self._name)
        return f"done {job} {len(workload)}".encode()


def name_of(workload: bytes) -> str:
    """Return the name of a job, marked as changed if its workload was altered."""
    job, _, rest = workload.decode().partition(" ")
    intact = set(rest) <= {"x"} or rest == shake_128(job.encode()).hexdigest(len(rest) // 2)
    return job if intact else f"{job}-changed"
