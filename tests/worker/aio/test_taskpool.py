# SPDX-License-Identifier: MIT
"""The tasks of an asyncio worker."""

import asyncio

from geartrain.worker.aio.taskpool import TaskPool


def test_leaving_cancels_tasks_and_lets_them_clean_up() -> None:
    seen: list[str] = []

    async def task() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned")

    async def main() -> None:
        pool = TaskPool(lambda: None)
        pool.do(task())
        await asyncio.sleep(0)
        await pool.leave()
        assert pool.is_leaving

    asyncio.run(main())
    assert seen == ["cleaned"]


def test_leaving_does_not_wait_for_tasks_that_ignore_their_cancellation() -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        over = asyncio.Event()

        async def stubborn() -> None:
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                await go_on.wait()
            over.set()

        pool = TaskPool(lambda: None, cancel_timeout=0.01)
        pool.do(stubborn())
        await asyncio.sleep(0)
        await pool.leave()
        assert not over.is_set()
        go_on.set()
        await over.wait()

    asyncio.run(main())
