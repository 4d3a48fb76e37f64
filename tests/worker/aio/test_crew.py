# SPDX-License-Identifier: MIT
"""The tasks of an asyncio worker."""

import asyncio

import pytest

from geartrain.worker.aio import crew as crews
from geartrain.worker.aio.crew import Crew


def test_leaving_cancels_what_runs_and_lets_it_clean_up() -> None:
    seen: list[str] = []

    async def task() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned")

    async def main() -> None:
        crew = Crew()
        crew.do(task())
        await asyncio.sleep(0)
        await crew.leave()
        assert crew.is_leaving

    asyncio.run(main())
    assert seen == ["cleaned"]


def test_leaving_does_not_wait_for_who_will_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "FAREWELL", 0.01)

    async def main() -> None:
        go_on = asyncio.Event()
        over = asyncio.Event()

        async def stubborn() -> None:
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                await go_on.wait()
            over.set()

        crew = Crew()
        crew.do(stubborn())
        await asyncio.sleep(0)
        await crew.leave()
        assert not over.is_set()
        go_on.set()
        await over.wait()

    asyncio.run(main())
