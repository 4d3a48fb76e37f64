# SPDX-License-Identifier: MIT
"""PostgreSQL as a store."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from geartrain.core.changes import Forget
from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, Store, StoreError, open_store
from geartrain.storage.postgres import PostgresStore
from geartrain.testing.stores import put_new
from tests.storage.holding_proxy import HoldingProxy
from tests.storage.servers import JOBS, ExclusiveContract, opened, outcome_of, wait_until

_WAITING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'geartrain' AND wait_event_type = 'Lock'"

_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'geartrain'"


class TestPostgres(ExclusiveContract):
    kind = "postgres"
    commit_marker = b"COMMIT"

    def other(self) -> "psycopg.Connection[Any]":
        """Return a connection of someone else, with a transaction of its own."""
        return psycopg.connect(self.url)

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a setting of the store's user."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE postgres SET {name} = '{value}'".encode())
        yield
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE postgres RESET {name}".encode())

    def replace_token(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute("UPDATE geartrain_facts SET value = 1 WHERE name = 'session'").rowcount == 1

    def wait_until_the_store_waits(self) -> None:
        """Return when a transaction of the store waits for another one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(_WAITING).fetchone())

    def test_a_database_of_a_later_version_is_left_alone(self) -> None:
        self.use()
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("UPDATE geartrain_facts SET value = 99 WHERE name = 'schema'")

        with pytest.raises(StoreError, match="written by a later version"):
            self.use()

    def test_the_administrator_sees_its_connection(self) -> None:
        async def look(_: Store) -> None:
            with self.other() as other:
                assert other.execute(_CONNECTIONS).fetchone() == (1,)

        self.use(look)

    def test_the_plain_fields_can_be_read_with_sql(self) -> None:
        job = JobRecord(7, b"H:7", b"f", b"u", 2, b"w", created_at=5, run_at=6)
        self.use(lambda store: store.commit([put_new([job])]))

        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                'SELECT number, handle, function, "unique", priority, workload, created_at FROM geartrain_jobs'
            ).fetchone()
        assert row == (7, b"H:7", b"f", b"u", 2, b"w", 5)

    def test_a_batch_that_was_the_victim_of_a_deadlock_is_repeated(self) -> None:
        async def deadlock(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            with self.other() as other:
                other.execute("SET deadlock_timeout = '60s'")  # so that it is the store that notices, after a second
                other.execute("SELECT 1 FROM geartrain_jobs FOR UPDATE")
                commit = asyncio.create_task(store.commit([Forget([1]), put_new(JOBS[1:2])]))
                await asyncio.to_thread(self.wait_until_the_store_waits)
                await asyncio.to_thread(other.execute, "UPDATE geartrain_facts SET value = value")
                other.rollback()
                await commit

        self.use(deadlock)

        assert self.kept() == JOBS[1:2]

    def test_a_new_connection_that_waited_too_long_for_a_lock_is_tried_again(
        self, proxy: "contextlib.AbstractContextManager[HoldingProxy]"
    ) -> None:
        def wait_for_two_attempts() -> None:
            found: set[object] = set()

            def has_found_two(connection: "psycopg.Connection[Any]") -> bool:
                found.update(connection.execute(_WAITING).fetchall())
                return len(found) == 2

            with psycopg.connect(self.url, autocommit=True) as connection:
                wait_until(lambda: has_found_two(connection))

        async def block(holding: HoldingProxy) -> None:
            async with opened(self.through(holding)) as store:
                holding.cut()
                assert await outcome_of(store, []) is CommitOutcome.NOT_STORED
                with self.other() as other:
                    other.execute("SELECT 1 FROM geartrain_facts FOR UPDATE")
                    commit = asyncio.create_task(store.commit([put_new(JOBS[:1])]))
                    await asyncio.to_thread(wait_for_two_attempts)
                    other.rollback()
                    await commit

        with proxy as holding:
            asyncio.run(block(holding))

        assert self.kept() == JOBS[:1]

    def test_a_batch_that_could_not_be_serialized_is_repeated(self) -> None:
        async def conflict(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            with self.other() as other:
                other.execute("UPDATE geartrain_jobs SET priority = 0")
                commit = asyncio.create_task(store.commit([Forget([1]), put_new(JOBS[1:2])]))
                await asyncio.to_thread(self.wait_until_the_store_waits)
                other.commit()
                await commit

        with self.setting("default_transaction_isolation", "repeatable read"):
            self.use(conflict)

        assert self.kept() == JOBS[1:2]

    def test_a_commit_is_synced_where_the_users_setting_says_otherwise(self) -> None:
        """Otherwise the engine would write its log ten seconds later (`tests.storage.engines`); it is killed before."""

        async def lose_power(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            self.engine.kill()

        with self.setting("synchronous_commit", "off"):
            self.engine.kill()
            self.engine.start()
            with contextlib.suppress(StoreError):
                self.use(lose_power)
            self.engine.start()
            assert self.kept() == JOBS[:1]

    def test_a_lost_connection_is_an_error_and_not_a_line_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        async def lose(store: Store) -> None:
            self.engine.kill()
            assert await outcome_of(store, [Forget([1])]) is CommitOutcome.NOT_STORED
            self.engine.start()

        self.use(lose)

        assert caplog.text == ""

    def test_an_engine_that_never_syncs_is_warned_about(
        self, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
    ) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            self.use()
            connection.execute("ALTER SYSTEM RESET fsync")
            connection.execute("SELECT pg_reload_conf()")

        said = "postgresql database postgres on 127.0.0.1: fsync is off, so a power failure destroys jobs"
        assert said in [record.getMessage() for record in caplog.records]

    def test_a_batch_is_not_stored_while_another_one_has_the_lock(
        self, proxy: "contextlib.AbstractContextManager[HoldingProxy]"
    ) -> None:
        async def lock_out(holding: HoldingProxy) -> None:
            async with opened(self.through(holding)) as store:
                holding.cut()
                assert await outcome_of(store, []) is CommitOutcome.NOT_STORED
                with self.other() as other:
                    await asyncio.to_thread(other.execute, "SELECT pg_advisory_lock(x'67656172'::int)")
                    assert await outcome_of(store, [put_new(JOBS[:1])]) is CommitOutcome.NOT_STORED
                await store.commit([put_new(JOBS[1:2])])

        with proxy as holding:
            asyncio.run(lock_out(holding))

        assert self.kept() == JOBS[1:2]


def test_a_connection_string_is_taken_in_place_of_an_address() -> None:
    store = PostgresStore.from_url(urlsplit(f"postgresql:{quote('host=db.example dbname=jobs')}"))

    assert store.name == "postgresql database jobs on db.example"


def test_a_server_that_is_not_there_is_named() -> None:
    store = open_store("postgresql://postgres@127.0.0.1:1/jobs")

    with pytest.raises(StoreError, match=r"postgresql database jobs on 127\.0\.0\.1: .*refused") as caught:
        asyncio.run(store.open())
    assert len(str(caught.value).splitlines()) == 1
