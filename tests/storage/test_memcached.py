# SPDX-License-Identifier: MIT
"""Memcached as a store."""

import asyncio
from typing import ClassVar

import pytest

from geartrain.core.changes import Forget
from geartrain.core.record import JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.testing.stores import put_new
from tests.storage.servers import ServerContract


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


@pytest.mark.parametrize("url", ["memcached://host:port", "memcached://host?prefix=a b", "memcached://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StoreError, match=r"memcached|prefix"):
        asyncio.run(open_store(url).open())
