# SPDX-License-Identifier: MIT
"""MariaDB as a store."""

from collections.abc import Iterator

import pymysql
import pytest

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.testing import StoreContract
from tests.storage.engines import Engine, mariadb


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with mariadb(tmp_path_factory.mktemp("mariadb")).running() as running:
        yield running


class TestMySQL(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, engine: Engine) -> None:
        self.engine = engine
        self.url = f"mysql://geartrain@127.0.0.1:{engine.port}/test"
        connection = pymysql.connect(host="127.0.0.1", port=engine.port, user="geartrain", database="test")
        with connection.cursor() as cursor:
            for table in ("jobs", "pieces", "facts"):
                cursor.execute(f"DROP TABLE IF EXISTS geartrain_{table}")
        connection.close()

    def store(self) -> Store:
        return open_store(self.url)

    def test_a_second_server_on_the_same_database_is_refused(self) -> None:
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
