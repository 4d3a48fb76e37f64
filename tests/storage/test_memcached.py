# SPDX-License-Identifier: MIT
"""Memcached as a store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.testing import StoreContract
from tests.storage.engines import Engine, memcached


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with memcached(tmp_path_factory.mktemp("memcached")).running() as running:
        yield running


class TestMemcached(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, engine: Engine, tmp_path: Path) -> None:
        self.engine = engine
        self.url = f"memcached://127.0.0.1:{engine.port}?prefix={tmp_path.name}"

    def store(self) -> Store:
        return open_store(self.url)

    def test_a_job_in_parts_is_forgotten_in_all_its_parts(self) -> None:
        job = JobRecord(1, b"H:1", b"f", b"", 1, bytes(3_500_000))
        self.commit(Batch([job]))
        assert self.kept() == [job]

        async def finish(store: Store) -> None:
            async for _ in store.replay():
                pass
            await store.commit(Batch(finished=[1]))

        self.use(finish)

        assert self.kept() == []

    def test_it_is_back_after_the_server_was_killed_and_empty(self) -> None:
        job = JobRecord(1, b"H:1", b"f", b"", 1, b"w")

        async def lose(store: Store) -> None:
            await store.commit(Batch([job]))
            self.engine.kill()
            with pytest.raises(StoreError):
                await store.commit(Batch([job._replace(number=2)]))
            self.engine.start()
            await store.commit(Batch([job._replace(number=3)]))

        self.use(lose)

        assert [kept.number for kept in self.kept()] == [3]


@pytest.mark.parametrize("url", ["memcached://host:port", "memcached://host?prefix=a b", "memcached://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StoreError, match=r"memcached|prefix"):
        asyncio.run(open_store(url).open())
