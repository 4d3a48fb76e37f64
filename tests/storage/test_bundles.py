# SPDX-License-Identifier: MIT
"""Where the jobs of a SQLite file are: in rows, and in bundles."""

import sqlite3
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.jobrecord import JobRecord
from geartrain.storage.bundles import TABLES, JobTables


def job(number: int, workload: bytes = b"w") -> JobRecord:
    return JobRecord(number, b"H:%d" % number, b"f", b"", 1, workload)


def jobs(numbers: Iterable[int]) -> list[JobRecord]:
    return [job(number) for number in numbers]


class Tables:
    """Some tables, and what one wants to know of them."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        for statement in TABLES:
            self.connection.execute(statement)
        self.jobs = JobTables(self.connection)

    def portions(self) -> Iterator[list[JobRecord]]:
        after = 0
        while portion := self.jobs.read(after):
            yield portion
            after = portion[-1].number

    def all(self) -> list[JobRecord]:
        return [job for portion in self.portions() for job in portion]

    def sizes(self) -> tuple[int, int]:
        """Return how many rows and bundles there are."""
        ((rows, bundles, marks),) = self.connection.execute(
            "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM bundles), (SELECT count(*) FROM marks)"
        )
        assert bundles == marks
        return rows, bundles


@pytest.fixture
def tables() -> Iterator[Tables]:
    tables = Tables()
    yield tables
    tables.connection.close()


def test_few_jobs_have_rows_and_many_are_bundled(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 4)))
    tables.jobs.store(jobs(range(4, 104)))

    assert tables.sizes() == (3, 1)
    assert tables.all() == jobs(range(1, 104))
    assert (tables.jobs.count(), tables.jobs.highest()) == (103, 103)


def test_a_great_many_are_read_back_a_thousand_at_a_time(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 2551)))

    assert [len(portion) for portion in tables.portions()] == [1000, 1000, 550]


def test_jobs_come_back_in_order_from_rows_and_bundles(tables: Tables) -> None:
    tables.jobs.store(jobs(range(2, 400, 2)))
    tables.jobs.store(jobs([301, 5, 1]))
    tables.jobs.store(jobs(range(500, 600)))
    tables.jobs.store(jobs([1000, 450]))

    assert tables.sizes() == (5, 2)
    assert tables.all() == jobs(sorted([*range(2, 400, 2), 1, 5, 301, 450, *range(500, 600), 1000]))


def test_rows_between_the_jobs_of_a_bundle_come_back_a_thousand_at_a_time(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 7000, 7)))
    rows = [number for number in range(2, 3001) if number % 7 != 1]
    tables.jobs.store(jobs(rows))

    assert tables.sizes() == (len(rows), 1)
    assert tables.all() == jobs(sorted([*range(1, 7000, 7), *rows]))
    assert max(map(len, tables.portions())) <= 2000


@pytest.mark.parametrize(
    "apart",
    [
        jobs(range(1, 10_000, 100)),
        [job(number, bytes(1_000_000)) for number in range(1, 33)],
        jobs(range(1, 20)),
        jobs(range(-100, 0)),
    ],
    ids=["far apart", "large", "few", "below all others"],
)
def test_what_is_not_worth_a_bundle_has_rows(tables: Tables, apart: list[JobRecord]) -> None:
    tables.jobs.store(apart)

    assert tables.sizes() == (len(apart), 0)


def test_numbers_below_others_have_rows(tables: Tables) -> None:
    tables.jobs.store(jobs(range(101, 301)))
    tables.jobs.store(jobs(range(1, 51)))

    assert tables.sizes() == (50, 1)
    assert tables.all() == jobs([*range(1, 51), *range(101, 301)])


def test_a_job_stored_anew_leaves_its_bundle(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 101)))
    tables.jobs.store([job(50)._replace(retries=1)])

    assert tables.sizes() == (1, 1)
    assert tables.all()[49] == job(50)._replace(retries=1)
    tables.jobs.forget([50])
    assert tables.all() == jobs([*range(1, 50), *range(51, 101)])


def test_a_bundle_ends_with_its_last_job(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 101)))
    tables.jobs.store(jobs(range(101, 201)))
    tables.jobs.forget([*range(20, 0, -1), 7, 300])
    tables.jobs.forget(range(21, 150))

    assert tables.sizes() == (0, 1)
    assert tables.all() == jobs(range(150, 201))


def test_the_few_that_are_left_of_a_bundle_get_rows(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 101)))
    tables.jobs.forget([number for number in range(1, 101) if number not in (3, 77)])

    assert tables.sizes() == (2, 0)
    assert tables.all() == jobs([3, 77])


def test_nothing_is_written_when_nothing_is_known(tables: Tables) -> None:
    tables.jobs.store(jobs(range(1, 101, 2)))
    before = tables.connection.total_changes
    tables.jobs.forget([2, 4, 500])

    assert tables.connection.total_changes == before


# What happens to the numbers from one on: so many are stored, stored anew from so many back on, or forgotten.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["store", "gap", "anew", "forget", "forget"]),
        st.integers(0, 400),
        st.integers(1, 120),
        st.integers(1, 5),
    ),
    max_size=12,
)


@given(_STEPS)
def test_whatever_happens_it_is_as_if_each_job_had_a_row(steps: list[tuple[str, int, int, int]]) -> None:
    tables = Tables()
    known: dict[int, JobRecord] = {}
    created = 0
    for what, back, count, stride in steps:
        if what == "gap":
            created += back
        elif what == "store":
            new = jobs(range(created + 1, created + 1 + count * stride, stride))
            created = new[-1].number
            tables.jobs.store(new)
            known |= {each.number: each for each in new}
        else:
            numbers = range(max(1, created - back), max(1, created - back) + count * stride, stride)
            if what == "forget":
                tables.jobs.forget(numbers)
                known = {number: each for number, each in known.items() if number not in numbers}
            else:
                changed = [known[number]._replace(retries=1) for number in numbers if number in known]
                tables.jobs.store(changed)
                known |= {each.number: each for each in changed}

    assert tables.all() == [known[number] for number in sorted(known)]
    assert tables.jobs.count() == len(known)
    tables.connection.close()
