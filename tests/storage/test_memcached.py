# SPDX-License-Identifier: MIT
"""Memcached as a store."""

import asyncio
from typing import ClassVar

import pytest

from geartrain.core.changes import Forget
from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, Store, StoreError, open_store
from geartrain.testing.stores import put_new
from tests.storage.servers import JOBS, ServerContract, opened, outcome_of


class TestMemcached(ServerContract):
    kind = "memcached"
    survivors: ClassVar = [3]  # a new memcached is empty

    def test_a_job_in_parts_is_forgotten_in_all_its_parts(self) -> None:
        job = JobRecord(1, b"H:1", b"f", b"", 1, bytes(3_500_000))
        self.commit([put_new([job])])
        assert self.kept() == [job]

        async def finish(store: Store) -> None:
            async for _ in store.replay():
                pass
            await store.commit([Forget([1])])

        self.use(finish)

        assert self.kept() == []

    def test_a_server_notices_that_another_one_uses_its_prefix_and_stores_nothing_more(self) -> None:
        async def take_over(first: Store) -> None:
            await first.commit([put_new(JOBS[:1])])
            async with opened(self.store()) as second:
                assert await outcome_of(first, [Forget([1]), put_new(JOBS[1:2])]) is CommitOutcome.FENCED
                assert await outcome_of(first, []) is CommitOutcome.FENCED
                await second.commit([put_new(JOBS[2:3])])

        self.use(take_over)

        assert self.kept() == [JOBS[0], JOBS[2]]

    def test_a_server_with_another_prefix_is_not_noticed(self) -> None:
        async def share(first: Store) -> None:
            async with opened(open_store(f"{self.url}-other")):
                await first.commit([put_new(JOBS[:1])])

        self.use(share)

        assert self.kept() == JOBS[:1]


@pytest.mark.parametrize("url", ["memcached://host:port", "memcached://host?prefix=a b", "memcached://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StoreError, match=r"memcached|prefix"):
        asyncio.run(open_store(url).open())
