# SPDX-License-Identifier: MIT
"""Counts of the jobs in a store."""

from geartrain.core.record import JobRecord
from geartrain.records import Priority
from geartrain.storage.summary import Summary

NOW = 1_000_000


def job(number: int, function: bytes = b"f", **fields: object) -> JobRecord:
    return JobRecord(number, b"H:%d" % number, function).replace(**fields)


def test_an_empty_store_has_no_jobs() -> None:
    summary = Summary(NOW)

    assert (summary.oldest, summary.newest, summary.next_at) == (None, None, None)
    assert (summary.jobs, summary.delayed, summary.schedules, summary.size) == (0, 0, 0, 0)


def test_jobs_are_counted_by_function_and_priority() -> None:
    summary = Summary(NOW)
    for record in (
        job(3, priority=0, workload=b"abc"),
        job(4, priority=1, workload=b"de"),
        job(6, priority=1),
        job(7, b"g", priority=2, workload=b"f"),
        job(9, b"g", priority=2, schedule=b"* * * * *", workload=b"gh"),
        job(10, b"g", schedule=b"* * * * *"),
    ):
        summary.count(record)

    assert (summary.oldest, summary.newest) == (3, 10)
    assert (summary.jobs, summary.schedules, summary.size) == (4, 2, 8)
    first, second = summary.functions[b"f"], summary.functions[b"g"]
    assert (first.priorities, first.jobs, first.schedules, first.size) == (
        {Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 0},
        3,
        0,
        5,
    )
    assert (second.priorities[Priority.LOW], second.jobs, second.schedules, second.size) == (1, 1, 2, 3)


def test_jobs_whose_time_has_yet_to_come_are_delayed() -> None:
    summary = Summary(NOW)
    for number, run_at in enumerate((NOW - 1, NOW, NOW + 20, NOW + 10, NOW + 30), 1):
        summary.count(job(number, run_at=run_at))
    summary.count(job(6, run_at=NOW + 1, schedule=b"* * * * *"))

    assert (summary.delayed, summary.functions[b"f"].delayed, summary.next_at) == (3, 3, NOW + 10)
