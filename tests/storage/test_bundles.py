# SPDX-License-Identifier: MIT
"""The tables of a SQLite file: jobs in rows, and jobs in bundles."""

import sqlite3
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core.record import JobRecord
from geartrain.storage.bundles import TABLES, JobTables
from geartrain.testing.stores import put_new


def job(number: int, workload: bytes = b"w") -> JobRecord:
    return JobRecord(number, b"H:%d" % number, b"f", b"", 1, workload)


def jobs(numbers: Iterable[int]) -> list[JobRecord]:
    return [job(number) for number in numbers]


class Tables:
    """Tables in memory, and their content."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        for statement in TABLES:
            self.connection.execute(statement)
        self.jobs = JobTables(self.connection)

    def put_new(self, numbers: Iterable[int]) -> None:
        self.jobs.put_new(put_new(jobs(numbers)))

    def portions(self) -> Iterator[list[JobRecord]]:
        after = 0
        while portion := self.jobs.read(after):
            yield portion
            after = portion[-1].number

    def all(self) -> list[JobRecord]:
        return [job for portion in self.portions() for job in portion]

    def sizes(self) -> tuple[int, int]:
        """Return how many rows and bundles there are."""
        ((rows, bundles, bitmaps),) = self.connection.execute(
            "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM bundles), (SELECT count(*) FROM bitmaps)"
        )
        assert bundles == bitmaps
        return rows, bundles


@pytest.fixture
def tables() -> Iterator[Tables]:
    tables = Tables()
    yield tables
    tables.connection.close()


def test_few_jobs_have_rows_and_many_are_bundled(tables: Tables) -> None:
    tables.put_new(range(1, 4))
    tables.put_new(range(4, 104))

    assert tables.sizes() == (3, 1)
    assert tables.all() == jobs(range(1, 104))
    assert (tables.jobs.count(), tables.jobs.highest()) == (103, 103)


def test_a_great_many_are_several_bundles_and_read_back_a_thousand_at_a_time(tables: Tables) -> None:
    tables.put_new(range(1, 2551))

    assert tables.sizes() == (0, 10)
    assert tables.all() == jobs(range(1, 2551))
    assert [len(portion) for portion in tables.portions()] == [1024, 1024, 502]


def test_jobs_are_read_in_order_from_rows_and_bundles(tables: Tables) -> None:
    tables.put_new(range(2, 400, 2))
    tables.put_new([1, 5, 301])
    tables.put_new(range(500, 600))
    tables.put_new([450, 1000])

    assert tables.sizes() == (5, 2)
    assert tables.all() == jobs(sorted([*range(2, 400, 2), 1, 5, 301, 450, *range(500, 600), 1000]))


def test_rows_between_the_jobs_of_a_bundle_are_read_a_thousand_at_a_time(tables: Tables) -> None:
    tables.put_new(range(1, 1700, 7))
    rows = [number for number in range(2, 3001) if number % 7 != 1]
    tables.jobs.put(jobs(rows))

    assert tables.sizes() == (len(rows), 1)
    assert tables.all() == jobs(sorted([*range(1, 1700, 7), *rows]))
    assert max(map(len, tables.portions())) <= 2500


def test_large_jobs_between_bundles_are_read_a_few_at_a_time(tables: Tables) -> None:
    large = bytes(9 * 1024 * 1024)
    for start in range(1, 501, 100):
        tables.jobs.put_new(put_new([job(start, large)]))
        tables.put_new(range(start + 1, start + 100))

    assert tables.sizes() == (5, 5)
    assert [sum(job.workload == large for job in portion) for portion in tables.portions()] == [2, 2, 1]


@pytest.mark.parametrize(
    "apart",
    [
        jobs(range(1, 10_000, 100)),
        [job(number, bytes(50_000)) for number in range(1, 33)],
        jobs(range(1, 20)),
        jobs(range(-100, 0)),
        jobs(range(2**62, 2**62 + 100)),
    ],
    ids=["far apart", "large", "few", "below all others", "transient"],
)
def test_jobs_that_are_not_worth_a_bundle_have_rows(tables: Tables, apart: list[JobRecord]) -> None:
    tables.jobs.put_new(put_new(apart))

    assert tables.sizes() == (len(apart), 0)
    assert tables.jobs.read(-(2**63)) == apart


def test_numbers_below_others_have_rows(tables: Tables) -> None:
    tables.put_new(range(101, 301))
    tables.put_new(range(1, 51))

    assert tables.sizes() == (50, 1)
    assert tables.all() == jobs([*range(1, 51), *range(101, 301)])


def test_a_batch_that_is_partly_known_is_bundled_behind_the_known_numbers(tables: Tables) -> None:
    tables.put_new(range(1, 101))
    tables.put_new(range(51, 201))

    assert tables.sizes() == (50, 2)
    assert tables.all() == jobs(range(1, 201))


def test_bundles_go_on_below_transient_numbers(tables: Tables) -> None:
    transient = range(2**62, 2**62 + 40)
    tables.put_new([*range(1, 51), *transient])
    tables.put_new(range(51, 101))

    assert tables.sizes() == (40, 2)
    assert tables.jobs.highest() == 100
    assert tables.all() == jobs([*range(1, 101), *transient])


def test_a_job_that_is_stored_again_leaves_its_bundle(tables: Tables) -> None:
    tables.put_new(range(1, 101))
    tables.jobs.put([job(50).replace(losses=1)])

    assert tables.sizes() == (1, 1)
    assert tables.all()[49] == job(50).replace(losses=1)
    tables.jobs.forget([50])
    assert tables.all() == jobs([*range(1, 50), *range(51, 101)])


def test_a_bundle_is_deleted_with_its_last_job(tables: Tables) -> None:
    tables.put_new(range(1, 101))
    tables.put_new(range(101, 201))
    tables.jobs.forget([*range(20, 0, -1), 7, 300])
    tables.jobs.forget(range(21, 150))

    assert tables.sizes() == (0, 1)
    assert tables.all() == jobs(range(150, 201))


def test_the_few_that_are_left_of_a_bundle_get_rows(tables: Tables) -> None:
    tables.put_new(range(1, 101))
    tables.jobs.forget([number for number in range(1, 101) if number not in (3, 77)])

    assert tables.sizes() == (2, 0)
    assert tables.all() == jobs([3, 77])


def test_nothing_is_written_when_nothing_is_known(tables: Tables) -> None:
    tables.put_new(range(1, 101, 2))
    before = tables.connection.total_changes
    tables.jobs.forget([2, 4, 500])

    assert tables.connection.total_changes == before


# Steps over the numbers from one on: so many are stored, stored again from so many back on, or forgotten.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["store", "gap", "again", "in doubt", "forget", "forget"]),
        st.integers(0, 400),
        st.integers(1, 120),
        st.integers(1, 5),
    ),
    max_size=12,
)


@given(_STEPS)
def test_bundles_behave_as_if_each_job_had_a_row(steps: list[tuple[str, int, int, int]]) -> None:
    tables = Tables()
    known: dict[int, JobRecord] = {}
    created = 0
    for what, back, count, stride in steps:
        if what == "gap":
            created += back
        elif what in ("store", "in doubt"):
            start = created + 1 if what == "store" else max(1, created - back)
            new = jobs(range(start, start + count * stride, stride))
            created = max(created, new[-1].number)
            tables.jobs.put_new(put_new(new))
            known |= {each.number: each for each in new}
        else:
            numbers = range(max(1, created - back), max(1, created - back) + count * stride, stride)
            if what == "forget":
                tables.jobs.forget(numbers)
                known = {number: each for number, each in known.items() if number not in numbers}
            else:
                changed = [known[number].replace(losses=1) for number in numbers if number in known]
                tables.jobs.put(changed)
                known |= {each.number: each for each in changed}

    assert tables.all() == [known[number] for number in sorted(known)]
    assert tables.jobs.count() == len(known)
    tables.connection.close()
