# SPDX-License-Identifier: MIT
"""Changes of the system clock while a server runs: only jobs for a time of day follow them."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TypeAlias

import pytest

from geartrain import AsyncAssignedJob, AsyncClient, AsyncWorker
from geartrain.server import Endpoint, Server, ServerOptions

PATIENCE = 60.0
HOUR = 3600.0


class Clock:
    """The system clock, with an offset that tests set."""

    def __init__(self) -> None:
        self.offset = 0.0

    def time(self) -> float:
        return time.time() + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


class Diary:
    """The jobs that a worker has run, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._changed = asyncio.Condition()

    async def note(self, job: AsyncAssignedJob) -> bytes:
        async with self._changed:
            self.done.append(job.text)
            self._changed.notify_all()
        return job.workload[::-1]

    async def wait_for(self, text: str) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: text in self.done)


Scenario: TypeAlias = Callable[[Clock, AsyncClient, Diary], Coroutine[None, None, None]]


def run(scenario: Scenario, **options: float) -> list[str]:
    """Run a scenario with a server, its clock and a worker; return the jobs that ran."""

    async def everything() -> list[str]:
        clock, diary = Clock(), Diary()
        chosen = ServerOptions(port=0, listen=(Endpoint("127.0.0.1"),), **options)  # type: ignore[arg-type]  # numbers
        async with asyncio.timeout(PATIENCE), Server(chosen, clock=clock) as server:
            address = str(server.addresses[0])
            worker = AsyncWorker(address)
            worker.add_function("note", diary.note)
            working = asyncio.create_task(worker.run())
            async with AsyncClient(address) as client:
                await scenario(clock, client, diary)
            worker.stop()
            await working
        return diary.done

    return asyncio.run(everything())


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_jobs_and_their_timeouts_are_not_affected(jump: float) -> None:
    async def scenario(clock: Clock, client: AsyncClient, diary: Diary) -> None:
        for _ in range(20):
            assert await client.do("note", "abc") == b"cba"
            clock.offset += jump

    done = run(scenario, job_timeout=PATIENCE, rearm_after=PATIENCE)

    assert len(done) == 20, "no job was taken from its worker"


def test_a_job_for_later_is_due_by_the_new_time() -> None:
    """It is at most a second late, as the server reads the wall clock once a second."""

    async def scenario(clock: Clock, client: AsyncClient, diary: Diary) -> None:
        await client.submit_background("note", "later", delay=HOUR)
        await client.submit_background("note", "much later", delay=3 * HOUR)
        assert await client.do("note", "now")
        assert diary.done == ["now"]
        clock.offset += 2 * HOUR
        await diary.wait_for("later")

    assert run(scenario) == ["now", "later"]


def test_a_job_for_later_waits_longer_when_the_clock_is_set_back() -> None:
    async def scenario(clock: Clock, client: AsyncClient, diary: Diary) -> None:
        clock.offset -= HOUR
        await client.submit_background("note", "later", at=time.time())
        assert await client.do("note", "now")
        assert diary.done == ["now"]
        clock.offset += 2 * HOUR
        await diary.wait_for("later")

    assert run(scenario) == ["now", "later"]
