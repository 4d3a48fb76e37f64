# SPDX-License-Identifier: MIT
"""Numbers and handles of imported jobs."""

import asyncio
from pathlib import Path

import pytest

from geartrain.core.numbers import TRANSIENT
from geartrain.core.record import JobRecord
from geartrain.storage import StoreError
from geartrain.storage.importer import Importer, import_jobs
from geartrain.storage.sqlite import SQLiteStore
from geartrain.storage.store import CHUNK


def job(number: int, handle: bytes = b"", workload: bytes = b"w") -> JobRecord:
    return JobRecord(number, handle or b"H:a:%d" % number, b"f", b"", 1, workload)


def taken(importer: Importer, *jobs: JobRecord) -> list[tuple[int, bytes] | None]:
    results = [importer.convert(job) for job in jobs]
    return [None if result is None else (result.number, result.handle) for result in results]


def test_numbers_and_handles_are_kept_where_they_are_free() -> None:
    importer = Importer(0, b"H:here")

    assert taken(importer, job(3), job(7), job(8)) == [(3, b"H:a:3"), (7, b"H:a:7"), (8, b"H:a:8")]
    assert (importer.imported, importer.renamed, importer.reserved) == (3, 0, 8)


def test_numbers_that_may_have_been_used_are_replaced_by_higher_ones() -> None:
    importer = Importer(100, b"H:here")

    assert taken(importer, job(3), job(101), job(200)) == [(101, b"H:a:3"), (102, b"H:a:101"), (200, b"H:a:200")]


def test_transient_numbers_are_replaced() -> None:
    importer = Importer(100, b"H:here")

    assert taken(importer, job(2**62 + 5), job(0, b"H:x:4611686018427387909")) == [
        (101, b"H:a:4611686018427387909"),
        (102, b"H:x:4611686018427387909"),
    ]
    assert importer.reserved == 102


def test_the_order_of_the_lines_is_the_order_of_the_jobs() -> None:
    numbers = [result[0] for result in taken(Importer(0, b"H"), job(9), job(2), job(5), job(11)) if result]

    assert numbers == [9, 10, 11, 12]


def test_a_job_without_a_handle_gets_one() -> None:
    assert taken(Importer(4, b"H:here"), job(0, b"").replace(handle=b"")) == [(5, b"H:here:5")]


def test_handles_that_jobs_bring_along_are_not_given_out_again() -> None:
    importer = Importer(0, b"H:here")
    taken(importer, job(1, b"H:here:5000"), job(2, b"H:here:99999999999999999999"), job(3, b"anything"))

    assert importer.reserved == 5000


def test_a_handle_that_another_job_has_gets_an_ending() -> None:
    importer = Importer(0, b"H:here")
    importer.register_existing(job(1, b"H:a:1", b"another"))

    assert taken(importer, job(2, b"H:a:1"), job(3, b"H:a:1", b"third")) == [(2, b"H:a:1.2"), (3, b"H:a:1.3")]
    assert importer.renamed == 2


def test_a_job_that_is_there_already_is_an_error() -> None:
    importer = Importer(1, b"H:here")
    importer.register_existing(job(1))

    with pytest.raises(StoreError, match=r"already has the same job H:a:1; --resume .*--new-handles"):
        importer.convert(job(1))


def test_to_resume_is_to_leave_out_what_is_there() -> None:
    first = Importer(1, b"H:here")
    first.register_existing(job(1, b"H:a:1", b"another"))
    begun = [first.convert(job(1)), first.convert(job(2))]
    second = Importer(first.reserved, b"H:here", resumes=True)
    for known in (job(1, b"H:a:1", b"another"), *begun):
        assert known is not None
        second.register_existing(known)

    assert taken(second, job(1), job(2), job(3)) == [None, None, (4, b"H:a:3")]
    assert (second.imported, second.left_out) == (1, 2)


def test_with_new_handles_all_jobs_are_new() -> None:
    importer = Importer(0, b"H:here", new_handles=True)
    importer.register_existing(job(1))

    assert taken(importer, job(1), job(1)) == [(1, b"H:here:1"), (2, b"H:here:2")]
    assert importer.renamed == 0


def test_a_made_up_handle_gives_way_too() -> None:
    importer = Importer(0, b"H:a")
    importer.register_existing(job(1))

    assert taken(importer, JobRecord(0, b"", b"f", b"", 1, b"other")) == [(1, b"H:a:1.2")]


def imported(path: Path, *jobs: JobRecord) -> tuple[list[int], list[JobRecord], int]:
    """Import jobs; return the sizes of the batches, the jobs in the store, and the number reserved there."""

    async def run() -> tuple[list[int], list[JobRecord], int]:
        store = SQLiteStore(path)
        opened = await store.open()
        try:
            sizes = [
                size async for size in import_jobs(store, jobs, Importer(opened.reserved, b"H:here", resumes=True))
            ]
            kept = [record async for records in store.replay() for record in records]
        finally:
            await store.close()
        again = SQLiteStore(path, only_reads=True)
        reserved = (await again.open()).reserved
        await again.close()
        return sizes, kept, reserved

    return asyncio.run(run())


def test_jobs_are_stored_in_batches(tmp_path: Path) -> None:
    jobs = [job(number) for number in range(1, 2 * CHUNK + 4)]

    sizes, kept, reserved = imported(tmp_path / "jobs.db", *jobs)

    assert (sizes, reserved) == ([CHUNK, CHUNK, 3], 2 * CHUNK + 3)
    assert kept == jobs


def test_a_batch_is_limited_by_its_workloads(tmp_path: Path) -> None:
    half = bytes(9 * 1024 * 1024)

    sizes, kept, _ = imported(tmp_path / "jobs.db", *[job(number, workload=half) for number in range(1, 6)])

    assert (sizes, len(kept)) == ([2, 2, 1], 5)


def test_jobs_that_are_there_are_left_out(tmp_path: Path) -> None:
    jobs = [job(number) for number in range(1, 4)]
    imported(tmp_path / "jobs.db", *jobs)

    sizes, kept, _ = imported(tmp_path / "jobs.db", *jobs, job(4))

    assert (sizes, kept) == ([1], [*jobs, job(4)])


def test_a_job_that_is_there_is_named_with_what_to_do() -> None:
    importer = Importer(0, b"H:here")
    importer.register_existing(job(1, b"H:\xff"))

    with pytest.raises(StoreError) as caught:
        importer.convert(job(1, b"H:\xff"))

    assert str(caught.value) == (
        "the store already has the same job H:\N{REPLACEMENT CHARACTER}; --resume skips such jobs, "
        "--new-handles imports them as new ones"
    )


def test_a_number_that_is_never_stored_is_replaced() -> None:
    importer = Importer(0, b"H:here")

    assert taken(importer, job(TRANSIENT), job(TRANSIENT + 1, b"H:b:c")) == [
        (1, b"H:a:%d" % TRANSIENT),
        (2, b"H:b:c"),
    ]


def test_nothing_is_reserved_for_a_handle_without_a_number() -> None:
    importer = Importer(0, b"H:here")
    assert taken(importer, job(0, b"of any kind")) == [(1, b"of any kind")]

    assert importer.reserved == 1
