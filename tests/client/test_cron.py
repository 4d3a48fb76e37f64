# SPDX-License-Identifier: MIT
"""Cron lines, and what becomes of them on the wire."""

import pytest

from geartrain.client.cron import cron_fields
from geartrain.client.request import submission
from geartrain.core.cron import cron_line
from geartrain.protocol import REQUEST, Command
from geartrain.records import JobRequest, Priority
from tests.packets import Packets


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("*/5 * * * *", (b"*/5", b"*", b"*", b"*", b"*")),
        ("0 3 1,15 jan-jun *", (b"0", b"3", b"1,15", b"jan-jun", b"*")),
        ("0 0 * * 0", (b"0", b"0", b"*", b"*", b"6")),
        ("0 0 * * 7", (b"0", b"0", b"*", b"*", b"6")),
        ("0 0 * * 1-5", (b"0", b"0", b"*", b"*", b"0,1,2,3,4")),
        ("0 0 * * sat-sun", (b"0", b"0", b"*", b"*", b"5,6")),
        ("0 0 * * */2", (b"0", b"0", b"*", b"*", b"6,1,3,5")),
        ("0 0 * * 5/1", (b"0", b"0", b"*", b"*", b"4,5")),
        ("0 0 * * MON#1,FRIL", (b"0", b"0", b"*", b"*", b"0#1,4L")),
        (" @Daily ", (b"0", b"0", b"*", b"*", b"*")),
    ],
)
def test_days_of_the_week_are_counted_from_monday(line: str, fields: tuple[bytes, ...]) -> None:
    assert cron_fields(line) == fields
    assert cron_line(cron_fields(line)), "the server takes it"


@pytest.mark.parametrize(
    "line", ["", "* * * *", "* * * * * *", "@noon", "0 0 * * 8", "0 0 * * x", "0 0 * * 5-2", "0 0 * * 1/0", "é * * * *"]
)
def test_an_invalid_cron_line_is_rejected(line: str) -> None:
    with pytest.raises(ValueError, match=r"cron line|day of the week"):
        cron_fields(line)


def test_the_packet_has_the_fields() -> None:
    made = submission(JobRequest("f", "w", "u"), cron=cron_fields("0 3 * * 1"))

    assert list(Packets(REQUEST).receive(made.packet)) == [
        (Command.SUBMIT_JOB_SCHED, [b"f", b"u", b"0", b"3", b"*", b"*", b"0", b"w"])
    ]
    assert made.background


def test_the_same_function_and_workload_are_the_same_schedule() -> None:
    every, daily = cron_fields("* * * * *"), cron_fields("@daily")
    uniques = [
        submission(JobRequest("f", workload), cron=cron).unique
        for workload, cron in (("a", every), ("a", daily), ("b", every))
    ]

    assert uniques[0] == uniques[1] != uniques[2]


@pytest.mark.parametrize("wanted", [JobRequest("f", priority=Priority.HIGH), JobRequest("f", reducer="r")])
def test_a_repeating_job_has_no_priority_and_no_reducer(wanted: JobRequest) -> None:
    with pytest.raises(ValueError, match="SUBMIT_JOB_SCHED has no field for it"):
        submission(wanted, cron=cron_fields("@daily"))
