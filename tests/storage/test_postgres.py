# SPDX-License-Identifier: MIT
"""PostgreSQL as a store."""

import asyncio

import psycopg
import pytest

from geartrain.storage import StoreError, open_store
from tests.storage.servers import ExclusiveContract


class TestPostgres(ExclusiveContract):
    kind = "postgres"

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
