# SPDX-License-Identifier: MIT
"""MariaDB as a store."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from geartrain.core.changes import Forget, Put
from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, Store, StoreError
from geartrain.testing.stores import put_new
from tests.storage.holding_proxy import HoldingProxy
from tests.storage.places import mysql
from tests.storage.servers import JOBS, ExclusiveContract, opened, outcome_of, wait_until


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
        wait_until(lambda: self.waits() >= count)

    def test_tables_that_were_made_in_part_are_completed(self) -> None:
        """Statements about tables are no part of a transaction, so a server may have died between two of them."""
        job = JobRecord(1, b"H:1", b"f", b"", 1, bytes(3_000_000))
        self.use()
        with mysql(self.engine) as cursor:
            cursor.execute("DELETE FROM geartrain_facts")
            cursor.execute("DROP TABLE geartrain_pieces")

        self.commit([put_new([job])])

        assert self.kept() == [job]

    @contextlib.contextmanager
    def packets_of(self, size: int) -> Iterator[None]:
        """Limit the packets of new connections for the length of a block."""
        with mysql(self.engine) as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            ((usual,),) = cursor.fetchall()
            cursor.execute("SET GLOBAL max_allowed_packet = %s", (size,))
            try:
                yield
            finally:
                cursor.execute("SET GLOBAL max_allowed_packet = %s", (usual,))

    @pytest.mark.parametrize("packet", [131_072, 1_048_576])
    def test_a_job_larger_than_max_allowed_packet_is_stored_with_the_others_of_its_batch(self, packet: int) -> None:
        """Each byte of this workload, and of these names, travels as two."""
        large = JobRecord(2, b"H:2", b"'" * 8000, b"'" * 64, 1, b"'" * 2_500_000, reducer=b"'" * 8000)
        jobs = [JOBS[0], large, JOBS[2]]
        with self.packets_of(packet):
            self.commit([put_new(jobs)])

            assert self.kept() == jobs

    def test_more_jobs_than_fit_into_a_packet_by_their_numbers_are_deleted(self) -> None:
        jobs = [JobRecord(2**61 + number, b"H:%d" % number, b"f", b"", 1, b"w") for number in range(20_000)]
        with self.packets_of(131_072):
            self.commit([put_new(jobs)], [Forget([job.number for job in jobs[1:]])])

        assert self.kept() == jobs[:1]

    def test_a_job_that_is_stored_again_has_no_pieces_of_another_size(self) -> None:
        job = JobRecord(1, b"H:1", b"f", b"", 1, bytes(range(256)) * 12_000)
        with self.packets_of(131_072):
            self.commit([put_new([job])])

        self.commit([Put([job.replace(losses=1)])])

        assert self.kept() == [job.replace(losses=1)]

    def test_packets_that_are_too_small_for_a_name_are_refused_at_the_start(self) -> None:
        with self.packets_of(65_536), pytest.raises(StoreError, match="max_allowed_packet of 65536 bytes is too small"):
            self.use()

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
