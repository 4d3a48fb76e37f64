# SPDX-License-Identifier: MIT
"""PostgreSQL as a store."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.testing import StoreContract
from tests.storage.engines import Engine, postgres


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with postgres(tmp_path_factory.mktemp("postgres")).running() as running:
        yield running


class TestPostgres(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, engine: Engine) -> None:
        self.engine = engine
        self.url = f"postgresql://postgres@127.0.0.1:{engine.port}/postgres"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS geartrain_jobs, geartrain_facts")

    def store(self) -> Store:
        return open_store(self.url)

    def test_a_second_server_on_the_same_database_is_refused(self) -> None:
        async def again(_: Store) -> None:
            other = self.store()
            with pytest.raises(StoreError, match="another server uses it"):
                await other.open()

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

    def test_a_database_of_a_later_version_is_left_alone(self) -> None:
        self.use()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("UPDATE geartrain_facts SET value = 99 WHERE name = 'schema'")

        with pytest.raises(StoreError, match="written by a later version"):
            self.use()


def test_a_server_that_is_not_there_is_named() -> None:
    store = open_store("postgresql://postgres@127.0.0.1:1/jobs")

    with pytest.raises(StoreError, match=r"postgresql database jobs on 127\.0\.0\.1: .*refused"):
        asyncio.run(store.open())
