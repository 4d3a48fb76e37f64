# SPDX-License-Identifier: MIT
"""MariaDB as a store."""

import asyncio
import contextlib

import pytest

from geartrain.core.changes import Forget
from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, Store
from geartrain.testing.stores import put_new
from tests.storage.holding_proxy import HoldingProxy
from tests.storage.places import mysql
from tests.storage.servers import JOBS, ExclusiveContract, opened, outcome_of


class TestMySQL(ExclusiveContract):
    kind = "mysql"
    commit_marker = b"COMMIT"

    def replace_token(self) -> None:
        with mysql(self.engine) as cursor:
            assert cursor.execute("UPDATE geartrain_facts SET value = 1 WHERE name = 'session'") == 1

    def waits(self) -> int:
        """Return how often a transaction has waited for another one."""
        with mysql(self.engine) as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'")
            ((_, count),) = cursor.fetchall()
        return int(count)

    def wait_for_waits(self, count: int) -> None:
        """Return when transactions have waited for others so often."""
        while self.waits() < count:
            pass

    def test_tables_that_were_made_in_part_are_completed(self) -> None:
        """Statements about tables are no part of a transaction, so a server may have died between two of them."""
        job = JobRecord(1, b"H:1", b"f", b"", 1, bytes(3_000_000))
        self.use()
        with mysql(self.engine) as cursor:
            cursor.execute("DELETE FROM geartrain_facts")
            cursor.execute("DROP TABLE geartrain_pieces")

        self.commit([put_new([job])])

        assert self.kept() == [job]

    def test_a_batch_that_was_the_victim_of_a_deadlock_is_repeated(self) -> None:
        async def deadlock(store: Store) -> None:
            await store.commit([put_new(JOBS[:3])])
            with mysql(self.engine) as other:
                other.execute("BEGIN")
                other.execute("UPDATE geartrain_jobs SET priority = 2")  # so that the store's transaction is smaller
                before = self.waits()
                commit = asyncio.create_task(store.commit([Forget([1]), put_new(JOBS[3:4])]))
                await asyncio.to_thread(self.wait_for_waits, before + 1)
                await asyncio.to_thread(other.execute, "UPDATE geartrain_facts SET value = value")
                other.execute("ROLLBACK")
                await commit

        self.use(deadlock)

        assert self.kept() == JOBS[1:4]

    def test_a_batch_that_waited_too_long_for_a_lock_is_repeated(self) -> None:
        async def wait(store: Store) -> None:
            await store.commit([put_new(JOBS[:1])])
            with mysql(self.engine) as other:
                other.execute("BEGIN")
                other.execute("SELECT 1 FROM geartrain_jobs FOR UPDATE")
                before = self.waits()
                commit = asyncio.create_task(store.commit([Forget([1])]))
                await asyncio.to_thread(self.wait_for_waits, before + 2)
                other.execute("ROLLBACK")
                await commit

        self.use(wait)

        assert self.kept() == []

    def test_a_new_connection_that_waited_too_long_for_a_lock_is_tried_again(
        self, proxy: "contextlib.AbstractContextManager[HoldingProxy]"
    ) -> None:
        async def block(holding: HoldingProxy) -> None:
            async with opened(self.through(holding)) as store:
                holding.cut()
                assert await outcome_of(store, []) is CommitOutcome.NOT_STORED
                with mysql(self.engine) as other:
                    other.execute("BEGIN")
                    other.execute("SELECT 1 FROM geartrain_facts FOR UPDATE")
                    before = self.waits()
                    commit = asyncio.create_task(store.commit([put_new(JOBS[:1])]))
                    await asyncio.to_thread(self.wait_for_waits, before + 2)
                    other.execute("ROLLBACK")
                    await commit

        with proxy as holding:
            asyncio.run(block(holding))

        assert self.kept() == JOBS[:1]

    def test_an_engine_that_does_not_sync_is_warned_about(self, caplog: pytest.LogCaptureFixture) -> None:
        with mysql(self.engine) as cursor:
            cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
            self.use()
            cursor.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
            assert "innodb_flush_log_at_trx_commit is 2, so a power failure loses the jobs" in caplog.text
            caplog.clear()
            self.use()

        assert caplog.text == ""
