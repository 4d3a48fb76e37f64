# SPDX-License-Identifier: MIT
"""The contract of a store, as tests that run over any implementation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.packing import pack
from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, Opened, Store, StoreError

__all__ = ["StoreContract", "put_new"]

ALL_BYTES = bytes(range(256))
_TRANSIENT = 2**62 + 17  # a number that no store reserves
_WHOLE = JobRecord(
    1,
    b"H:a:1",
    b"f",
    b"u",
    2,
    b"w",
    created_at=1_700_000_000_001,
    run_at=2**50,
    losses=3,
    failures=2,
    expires_at=2**51,
    depth=7,
    started=True,
    reducer=b"r",
    schedule=b"*/5 * * * *",
    timezone=b"Europe/Lisbon",
    key=b"k",
    batch=b"b",
    origin=b"H:a:0",
    then=b"g",
    on_failure=b"h",
    overrides=b"\0o",
    reason=b"timeout",
    error=b"Traceback",
    unknown=((200, b"of a later version"), (255, ALL_BYTES)),
)


def put_new(records: Iterable[JobRecord]) -> PutNew:
    """Return the change that stores new jobs, which are ordered by number."""
    jobs = list(records)
    return PutNew([job.number for job in jobs], b"".join(map(pack, jobs)))


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

    def commit(self, *batches: list[Change]) -> None:
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

    # The contract: jobs.

    def test_a_new_store_is_empty(self) -> None:
        assert (self.use(), self.kept()) == (Opened(0, 0), [])

    def test_new_jobs_are_kept_with_all_fields(self) -> None:
        plain = JobRecord(2, b"H:a:2", b"f", created_at=5)
        self.commit([put_new([_WHOLE, plain])])

        assert self.kept() == [_WHOLE, plain]

    def test_changed_jobs_are_kept_with_all_fields(self) -> None:
        plain = JobRecord(2, b"H:a:2", b"f", created_at=5)
        self.commit([put_new([JobRecord(1, b"H:a:1", b"f"), plain])], [Put([plain.replace(losses=1), _WHOLE])])

        assert self.kept() == [_WHOLE, plain.replace(losses=1)]

    def test_any_bytes_are_kept_in_any_field(self) -> None:
        odd = [
            JobRecord(1, ALL_BYTES, ALL_BYTES, ALL_BYTES[:64], 0, ALL_BYTES * 2, reducer=ALL_BYTES[192:]),
            JobRecord(2, b"H:1", b"a-b", b"c-d", 0, b"\0\0leading"),
            JobRecord(3, b"H:2", b"x' OR '1'='1", b"x' OR '1'='1", 0, b"'; DROP TABLE jobs; --"),
            JobRecord(4, b"H:3", "fünf".encode(), b"*?[a]", 0, b"\r\n"),
        ]
        self.commit([put_new(odd[:2]), Put(odd[2:])])

        assert self.kept() == odd

    def test_numbers_and_times_have_63_bits(self) -> None:
        record = JobRecord(2**63 - 1, b"H:a:1", b"f", created_at=2**63 - 1, run_at=2**63 - 1)
        self.commit([put_new([record])])

        assert self.kept() == [record]

    def test_jobs_without_a_unique_are_all_kept(self) -> None:
        jobs = [JobRecord(number, b"H:a:%d" % number, b"f") for number in range(1, 4)]
        self.commit([put_new(jobs)], [Forget([2])])

        assert self.kept() == [jobs[0], jobs[2]]

    def test_jobs_with_the_same_unique_are_all_kept(self) -> None:
        jobs = [JobRecord(number, b"H:a:%d" % number, b"f", b"-") for number in range(1, 4)]
        self.commit([put_new(jobs)], [Forget([1])])

        assert self.kept() == jobs[1:]

    def test_jobs_are_replayed_in_the_order_of_their_numbers(self) -> None:
        jobs = [JobRecord(number, b"H", b"f", b"", number % 3) for number in (30, 1, 10**9, 200, 9)]
        for job in jobs:
            self.commit([put_new([job])])

        assert [job.number for job in self.kept()] == [1, 9, 30, 200, 10**9]

    def test_a_job_that_is_stored_again_replaces_the_first(self) -> None:
        job = JobRecord(1, b"H:a:1", b"f", b"u", 1, b"w")
        self.commit([put_new([job])], [Put([job.replace(losses=1)])])

        assert self.kept() == [job.replace(losses=1)]

    def test_new_jobs_of_a_batch_that_was_in_doubt_may_come_twice(self) -> None:
        jobs = [JobRecord(number, b"H:%d" % number, b"f") for number in range(1, 101)]
        self.commit([put_new(jobs[:60])], [put_new(jobs)])

        assert self.kept() == jobs

    def test_jobs_are_deleted_and_unknown_numbers_ignored(self) -> None:
        jobs = [JobRecord(number, b"H", b"f") for number in range(1, 4)]
        self.commit([put_new(jobs)], [Forget([1, 77, 3])])

        assert self.kept() == [jobs[1]]

    def test_a_large_workload_is_kept(self) -> None:
        new, changed = (JobRecord(number, b"H", b"f", b"", 1, ALL_BYTES * (self.large // 256)) for number in (1, 2))
        self.commit([put_new([new]), Put([changed])])

        assert self.kept() == [new, changed]

    def test_a_large_batch_is_kept_and_replayed_in_portions(self) -> None:
        jobs = [JobRecord(number, b"H:%d" % number, b"f", b"u%d" % number, 1, b"w") for number in range(1, 2751)]
        self.commit([put_new(jobs)])
        portions = []

        async def read(store: Store) -> None:
            portions.extend([len(records) async for records in store.replay()])

        opened = self.use(read)

        assert (opened.jobs, sum(portions)) == (2750, 2750)
        assert len(portions) > 1
        self.commit([Forget([*range(1, 2750)])])
        assert self.kept() == jobs[-1:]

    # The contract: batches.

    def test_a_batch_may_hold_every_kind_of_change(self) -> None:
        old, new, changed = (JobRecord(number, b"H", b"f") for number in (1, 3, 2))
        self.commit([put_new([old, changed])])
        self.commit([Forget([1]), put_new([new]), Put([changed.replace(losses=1)]), Reserve(50)])

        assert (self.kept(), self.use()) == ([changed.replace(losses=1), new], Opened(50, 2))

    def test_an_ending_goes_before_what_the_same_batch_adds(self) -> None:
        first, second = JobRecord(1, b"H:1", b"f"), JobRecord(2, b"H:2", b"f")
        self.commit([put_new([first])])
        self.commit([Put([first.replace(losses=1)]), put_new([second]), Forget([1, 2])])

        assert self.kept() == [first.replace(losses=1), second]

    def test_an_empty_batch_checks_that_the_store_is_available(self) -> None:
        self.commit([Reserve(7)], [])

        assert self.use().reserved == 7

    def test_a_value_that_no_job_has_fails_the_batch_and_no_other(self) -> None:
        async def fail(store: Store) -> None:
            failure: StoreError | None = None
            try:
                await store.commit([Put([JobRecord(2, b"H:2", b"f", run_at=2**63)])])
            except StoreError as error:
                failure = error
            assert failure is not None
            assert failure.outcome is not CommitOutcome.FENCED

        one, two = JobRecord(1, b"H:1", b"f"), JobRecord(2, b"H:2", b"f")
        self.use(_committing([put_new([one])]), fail, _committing([put_new([two])]))

        assert self.kept() == [one, two]

    # The contract: numbers.

    def test_reserved_numbers_are_known_after_the_jobs_have_ended(self) -> None:
        self.commit([put_new([JobRecord(5, b"H", b"f")]), Reserve(1000)], [Forget([5])])

        assert self.use() == Opened(1000, 0)

    def test_a_reservation_is_kept_with_any_other_change_and_alone(self) -> None:
        self.commit([Forget([1]), Reserve(10)])
        assert self.use().reserved == 10
        self.commit([Reserve(20)], [Put([JobRecord(3, b"H", b"f")])])
        assert self.use().reserved == 20

    def test_a_clean_stop_lowers_the_reservation(self) -> None:
        self.commit([Reserve(1000)], [Reserve(12)])

        assert self.use().reserved == 12

    def test_numbers_of_jobs_count_as_reserved(self) -> None:
        self.commit([put_new([JobRecord(number, b"H:%d" % number, b"f") for number in range(1, 101)])])

        assert self.use().reserved == 100

    def test_transient_numbers_neither_count_as_reserved_nor_disturb_others(self) -> None:
        jobs = [JobRecord(number, b"H:%d" % number, b"f") for number in range(1, 201)]
        transient = [JobRecord(_TRANSIENT + number, b"H:t:%d" % number, b"f") for number in range(100)]
        self.commit([put_new([*jobs[:100], *transient]), Reserve(500)], [put_new(jobs[100:])])

        assert self.use() == Opened(500, 300)
        assert self.kept() == [*jobs, *transient]
        self.commit([Forget([job.number for job in transient]), Reserve(0)])
        assert self.use() == Opened(200, 200)

    # The contract: the end.

    def test_closing_twice_does_no_harm(self) -> None:
        async def close(store: Store) -> None:
            await store.close()

        self.use(close)

        assert self.kept() == []


def _committing(batch: list[Change]) -> Callable[[Store], Awaitable[object]]:
    return lambda store: store.commit(batch)
