# SPDX-License-Identifier: MIT
"""A client and a worker with asyncio: ``python -m tests.soak.agents.aio client SERVER LEDGER NAME``."""

import asyncio
import sys

from geartrain import AsyncAssignedJob, AsyncClient, AsyncWorker, GeartrainError
from tests.soak.agents.workload import FUNCTION, Entries

_BATCH = 10
_TIMEOUT = 60.0
_PAUSE = 0.05
_AFTER_FAILURE = 0.5


async def client(server: str, entries: Entries) -> None:
    """Submit background and foreground jobs concurrently, for ever."""
    async with AsyncClient(server) as asking:
        while True:
            await asyncio.gather(*(each(asking, entries) for each in (leave, have_done) for _ in range(_BATCH)))
            await asyncio.sleep(_PAUSE)


async def leave(asking: AsyncClient[str | bytes, bytes], entries: Entries) -> None:
    """Submit a background job."""
    task = entries.ask()
    try:
        await asking.submit_background(FUNCTION, task.workload, unique=task.unique, priority=task.priority)
        entries.enter("accepted", task.name)
    except GeartrainError:
        entries.enter("failed", task.name)
        await asyncio.sleep(_AFTER_FAILURE)


async def have_done(asking: AsyncClient[str | bytes, bytes], entries: Entries) -> None:
    """Submit a job and wait for its result."""
    task = entries.ask()
    try:
        entries.compare(task, await asking.do(FUNCTION, task.workload, priority=task.priority, timeout=_TIMEOUT))
    except GeartrainError:
        entries.enter("failed", task.name)
        await asyncio.sleep(_AFTER_FAILURE)


async def worker(server: str, entries: Entries) -> None:
    """Run jobs until stopped."""
    working = AsyncWorker(server, concurrency=10)

    @working.function(FUNCTION)
    async def do(job: AsyncAssignedJob) -> bytes:
        result = entries.do(bytes(job.workload))
        await asyncio.sleep(0.02)
        return result

    await working.run()


if __name__ == "__main__":
    _, role, server, ledger, name = sys.argv
    asyncio.run({"client": client, "worker": worker}[role](server, Entries(ledger, name)))
