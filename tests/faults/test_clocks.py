# SPDX-License-Identifier: MIT
"""The machine's clock is set while a server runs: what waits for a time of day goes by it, and nothing else does."""

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
    """Goes as ours does, but for being set."""

    def __init__(self) -> None:
        self.offset = 0.0

    def time(self) -> float:
        return time.time() + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


class Diary:
    """What a worker has done, in order."""

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
    """Run a scenario with a server that goes by a clock and a worker; return what that has done."""

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
def test_jobs_and_their_time_outs_do_not_notice(jump: float) -> None:
    async def scenario(clock: Clock, client: AsyncClient, diary: Diary) -> None:
        for _ in range(20):
            assert await client.do("note", "abc") == b"cba"
            clock.offset += jump

    done = run(scenario, job_timeout=PATIENCE, rearm_after=PATIENCE)

    assert len(done) == 20, "none was taken from its worker"


def test_a_job_for_later_is_due_by_the_new_time() -> None:
    """A second late at most: that is how often the server looks."""

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
