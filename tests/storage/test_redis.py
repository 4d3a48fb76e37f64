# SPDX-License-Identifier: MIT
"""Redis as a store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.testing import StoreContract
from tests.storage.engines import Engine, redis


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with redis(tmp_path_factory.mktemp("redis")).running() as running:
        yield running


class TestRedis(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, engine: Engine, tmp_path: Path) -> None:
        self.engine = engine
        self.url = f"redis://127.0.0.1:{engine.port}?prefix={tmp_path.name}"

    def store(self) -> Store:
        return open_store(self.url)

    def test_a_second_server_with_the_same_prefix_is_refused(self) -> None:
        async def again(_: Store) -> None:
            with pytest.raises(StoreError, match="another server uses it"):
                await self.store().open()

        self.use(again)

    def test_it_is_back_after_the_server_was_killed(self) -> None:
        job = JobRecord(1, b"H:1", b"f", b"", 1, b"w")

        async def lose(store: Store) -> None:
            await store.commit(Batch([job]))
            self.engine.kill()
            with pytest.raises(StoreError):
                await store.commit(Batch([job._replace(number=2)]))
            self.engine.start()
            await store.commit(Batch([job._replace(number=3)]))

        self.use(lose)

        assert [kept.number for kept in self.kept()] == [1, 3]


@pytest.mark.parametrize("url", ["redis://host:port", "redis://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(StoreError, match=r"[rR]edis"):
        asyncio.run(open_store(url).open())
