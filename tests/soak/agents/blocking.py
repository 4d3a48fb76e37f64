# SPDX-License-Identifier: MIT
"""A blocking client and a blocking worker: ``python -m tests.soak.agents.blocking client SERVER LEDGER NAME``."""

import sys
import time
from collections.abc import Sequence

from geartrain import AssignedJob, Client, GeartrainError, Handle, NotAllSubmitted, Worker
from tests.soak.agents.workload import FUNCTION, Entries

_BATCH = 20
_TIMEOUT = 60.0
_PAUSE = 0.05
_AFTER_FAILURE = 0.5


def client(server: str, entries: Entries) -> None:
    """Submit background and foreground jobs, for ever."""
    with Client(server) as asking:
        while True:
            leave(asking, entries)
            task = entries.ask()
            try:
                entries.compare(task, asking.do(FUNCTION, task.workload, priority=task.priority, timeout=_TIMEOUT))
            except GeartrainError:
                entries.enter("failed", task.name)
                time.sleep(_AFTER_FAILURE)
            time.sleep(_PAUSE)


def leave(asking: Client, entries: Entries) -> None:
    """Submit some background jobs."""
    tasks = [entries.ask() for _ in range(_BATCH)]
    outcomes: Sequence[Handle | GeartrainError]
    try:
        outcomes = asking.submit_background_many([task.request() for task in tasks], timeout=_TIMEOUT)
    except NotAllSubmitted as error:
        outcomes = error.outcomes
    for task, outcome in zip(tasks, outcomes, strict=True):
        entries.enter("failed" if isinstance(outcome, GeartrainError) else "accepted", task.name)


def worker(server: str, entries: Entries) -> None:
    """Run jobs until stopped."""
    working = Worker(server, concurrency=2)

    @working.function(FUNCTION)
    def do(job: AssignedJob) -> bytes:
        result = entries.do(bytes(job.workload))
        time.sleep(0.005)
        return result

    working.run()


if __name__ == "__main__":
    _, role, server, ledger, name = sys.argv
    {"client": client, "worker": worker}[role](server, Entries(ledger, name))
