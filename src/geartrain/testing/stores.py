# SPDX-License-Identifier: MIT
"""The contract of a store, as tests that run over any implementation."""

import asyncio
from collections.abc import Awaitable, Callable

from geartrain.jobrecord import Batch, JobRecord
from geartrain.storage import Opened, Store

__all__ = ["StoreContract"]

ALL_BYTES = bytes(range(256))


class StoreContract:
    """The tests of the contract; a subclass in a test's module returns the store under test.

    ::

        class TestOurs(StoreContract):
            @pytest.fixture(autouse=True)
            def place(self, tmp_path): self.path = tmp_path / "jobs.db"

            def store(self): return OurStore(self.path)

    Attributes:
        large: Bytes of the largest workload that the store must accept.
    """

    large = 16 * 1024 * 1024

    def store(self) -> Store:
        """Return a store that is not open yet; each call returns one with the same jobs."""
        raise NotImplementedError

    # Helpers.

    def use(self, *steps: Callable[[Store], Awaitable[object]]) -> Opened:
        """Open the store, run steps with it, and close it."""

        async def run() -> Opened:
            store = self.store()
            opened = await store.open()
            try:
                for step in steps:
                    await step(store)
            finally:
                await store.close()
            return opened

        return asyncio.run(run())

    def commit(self, *batches: Batch) -> None:
        """Commit batches in one run of the server."""
        self.use(*[_committing(batch) for batch in batches])

    def kept(self) -> list[JobRecord]:
        """Return the records that a server replays after its start."""
        found: list[JobRecord] = []

        async def read(store: Store) -> None:
            async for records in store.replay():
                assert records, "an empty portion says nothing"
                found.extend(records)

        self.use(read)
        return found

    # The contract.

    def test_a_new_store_is_empty(self) -> None:
        assert (self.use(), self.kept()) == (Opened(0, 0), [])

    def test_jobs_are_kept_with_all_that_they_are(self) -> None:
        whole = JobRecord(1, b"H:a:1", b"f", b"u", 2, b"w", 2**40, 3, b"r", b"*/5 * * * *", "server")
        plain = JobRecord(2, b"H:a:2", b"f", b"", 1, b"")
        self.commit(Batch([whole, plain]))

        assert self.kept() == [whole, plain]

    def test_any_bytes_are_kept_in_any_field(self) -> None:
        odd = [
            JobRecord(1, ALL_BYTES, ALL_BYTES, ALL_BYTES[:64], 0, ALL_BYTES * 2, reducer=ALL_BYTES[192:]),
            JobRecord(2, b"H:1", b"a-b", b"c-d", 0, b"\0\0leading"),
            JobRecord(3, b"H:2", b"x' OR '1'='1", b"x' OR '1'='1", 0, b"'; DROP TABLE jobs; --"),
            JobRecord(4, b"H:3", "fünf".encode(), b"*?[a]", 0, b"\r\n"),
        ]
        self.commit(Batch(odd))

        assert self.kept() == odd

    def test_numbers_and_times_have_64_bits(self) -> None:
        record = JobRecord(2**62, b"H:a:1", b"f", b"", 1, b"", run_at=2**62)
        self.commit(Batch([record]))

        assert self.kept() == [record]
        assert self.use().created == 2**62

    def test_jobs_without_a_unique_do_not_take_each_others_place(self) -> None:
        jobs = [JobRecord(number, b"H:a:%d" % number, b"f", b"", 1, b"w") for number in range(1, 4)]
        self.commit(Batch(jobs), Batch(finished=[2]))

        assert self.kept() == [jobs[0], jobs[2]]

    def test_jobs_with_the_same_unique_do_not_either(self) -> None:
        jobs = [JobRecord(number, b"H:a:%d" % number, b"f", b"-", 1, b"w") for number in range(1, 4)]
        self.commit(Batch(jobs), Batch(finished=[1]))

        assert self.kept() == jobs[1:]

    def test_jobs_come_back_in_the_order_of_their_numbers(self) -> None:
        jobs = [JobRecord(number, b"H", b"f", b"", number % 3, b"") for number in (30, 1, 10**9, 200, 9)]
        self.commit(*[Batch([job]) for job in jobs])

        assert [job.number for job in self.kept()] == [1, 9, 30, 200, 10**9]

    def test_a_job_stored_anew_replaces_what_was_known_of_it(self) -> None:
        job = JobRecord(1, b"H:a:1", b"f", b"u", 1, b"w")
        self.commit(Batch([job]), Batch([job._replace(retries=1)]))

        assert self.kept() == [job._replace(retries=1)]

    def test_finished_jobs_are_forgotten_and_unknown_ones_do_no_harm(self) -> None:
        jobs = [JobRecord(number, b"H", b"f", b"", 1, b"") for number in range(1, 4)]
        self.commit(Batch(jobs), Batch(finished=[1, 77, 3]))

        assert self.kept() == [jobs[1]]

    def test_one_batch_may_store_and_finish(self) -> None:
        old, new = (JobRecord(number, b"H", b"f", b"", 1, b"") for number in (1, 2))
        self.commit(Batch([old]), Batch([new], [1], reserve=50))

        assert (self.kept(), self.use()) == ([new], Opened(50, 1))

    def test_an_empty_batch_asks_whether_the_store_is_there(self) -> None:
        self.commit(Batch(reserve=7), Batch())

        assert self.use().created == 7

    def test_numbers_reserved_are_never_given_out_again(self) -> None:
        self.commit(Batch([JobRecord(5, b"H", b"f", b"", 1, b"")], reserve=1000), Batch(finished=[5]))

        assert self.use() == Opened(1000, 0)

    def test_a_clean_stop_lowers_what_is_reserved(self) -> None:
        self.commit(Batch(reserve=1000), Batch(reserve=12))

        assert self.use().created == 12

    def test_a_large_workload_is_kept(self) -> None:
        job = JobRecord(1, b"H", b"f", b"", 1, ALL_BYTES * (self.large // 256))
        self.commit(Batch([job]))

        assert self.kept() == [job]

    def test_a_large_batch_is_kept_and_replayed_in_portions(self) -> None:
        jobs = [JobRecord(number, b"H:%d" % number, b"f", b"u%d" % number, 1, b"w") for number in range(1, 2751)]
        self.commit(Batch(jobs))
        portions = []

        async def read(store: Store) -> None:
            portions.extend([len(records) async for records in store.replay()])

        opened = self.use(read)

        assert (opened.jobs, sum(portions)) == (2750, 2750)
        assert len(portions) > 1
        self.commit(Batch(finished=range(1, 2750)))
        assert self.kept() == jobs[-1:]

    def test_closing_twice_does_no_harm(self) -> None:
        async def close(store: Store) -> None:
            await store.close()

        self.use(close)

        assert self.kept() == []


def _committing(batch: Batch) -> Callable[[Store], Awaitable[object]]:
    return lambda store: store.commit(batch)
