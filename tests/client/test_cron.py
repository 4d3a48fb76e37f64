# SPDX-License-Identifier: MIT
"""Cron lines, and what becomes of them on the wire."""

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.client.cron import cron_fields, cron_of
from geartrain.client.request import submission
from geartrain.core.cron import cron_line
from geartrain.errors import RemoteProtocolError
from geartrain.jobtimes import read_schedule_options
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
        ("0 0 lw * fril", (b"0", b"0", b"lw", b"*", b"4L")),
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


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("every day", "'every day' is not a cron line; a cron line has five fields"),
        ("61 * * * *", "'61 * * * *' is not a cron line: the minute is 0 to 59, not '61'"),
        ("* * * foo *", "'* * * foo *' is not a cron line: the month is 1 to 12 or JAN to DEC, not 'foo'"),
        ("a b c d e", "'a b c d e' is not a cron line: the minute is 0 to 59, not 'a'"),
        (
            "* * * * foo",
            "'* * * * foo' is not a cron line: the day of the week is 0 (Sunday) to 7 or MON to SUN, not 'foo'",
        ),
        ("* * * * 8", "'* * * * 8' is not a cron line: the day of the week is 0 (Sunday) to 7 or MON to SUN, not '8'"),
        ("* * * * 1/", "'* * * * 1/' is not a cron line: a step is a number above 0, as in */5, not '1/'"),
    ],
)
def test_the_error_says_what_is_wrong_and_what_is_allowed(line: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        cron_fields(line)
    assert str(caught.value).startswith(problem)


def test_anything_but_text_is_rejected() -> None:
    with pytest.raises(TypeError, match=r"^cron is a cron line, such as '\*/5 \* \* \* \*' or '@daily', not 5$"):
        cron_of(5, None, None, None)  # type: ignore[arg-type]  # that is the point


PLAIN = ["*", "0", "1", "5", "07", "12", "23", "24", "31", "59", "60", "JAN", "dec", "MON", "L", "LW", "2L", "1#2", "-"]
RANGES = ["1-5", "5-1", "JAN-MAR", "*/2", "3/0", "1-9/2", "1/2/3", "1-2-3", "L/2", "1#6"]
TERMS = st.sampled_from([*PLAIN, *RANGES])
FIELDS = st.lists(TERMS, min_size=1, max_size=2).map(",".join)


@given(st.tuples(FIELDS, FIELDS, FIELDS, FIELDS).map(" ".join))
def test_the_client_rejects_exactly_the_times_that_the_server_rejects(times: str) -> None:
    minute, hour, day, month = (field.encode() for field in times.split())
    try:
        cron_line((minute, hour, day, month, b"*"))
        is_accepted = True
    except RemoteProtocolError as error:
        is_accepted = "no date matches it" in error.text  # which the client does not check

    if is_accepted:
        assert cron_fields(f"{times} *") == (minute, hour, day, month, b"*")
    else:
        with pytest.raises(ValueError, match="is not a cron line"):
            cron_fields(f"{times} *")


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


def test_a_repeating_job_has_no_reducer() -> None:
    with pytest.raises(ValueError, match="SUBMIT_JOB_SCHED has no field for it"):
        submission(JobRequest("f", reducer="r"), cron=cron_fields("@daily"))


@pytest.mark.parametrize(
    ("timezone", "priority", "weekday"),
    [
        (None, Priority.NORMAL, b"0"),
        ("Europe/Berlin", Priority.NORMAL, b"0;timezone=Europe/Berlin"),
        (None, Priority.LOW, b"0;priority=low"),
        ("Etc/GMT+5", Priority.HIGH, b"0;timezone=Etc/GMT+5;priority=high"),
    ],
)
def test_the_last_field_has_the_time_zone_and_the_priority(
    timezone: str | None, priority: Priority, weekday: bytes
) -> None:
    made = submission(JobRequest("f", "w", "u", priority), cron=cron_of("0 3 * * 1", timezone, None, None))

    assert list(Packets(REQUEST).receive(made.packet)) == [
        (Command.SUBMIT_JOB_SCHED, [b"f", b"u", b"0", b"3", b"*", b"*", weekday, b"w"])
    ]
    _, options = read_schedule_options((b"0", b"3", b"*", b"*", weekday))
    assert options == (timezone or "", priority), "the server takes it"


def test_the_same_workload_in_another_time_zone_is_the_same_schedule() -> None:
    uniques = {
        submission(JobRequest("f", "w"), cron=cron_of("@daily", timezone, None, None)).unique
        for timezone in (None, "UTC", "Europe/Berlin")
    }

    assert len(uniques) == 1


@pytest.mark.parametrize("name", ["", "Europe Berlin", "Europe/Berlin;priority=high", "Zürich", "a" * 65])
def test_a_name_that_no_time_zone_has_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match="a time zone has a name such as Europe/Berlin, not"):
        cron_of("@daily", name, None, None)


def test_a_time_zone_needs_a_cron_line_and_is_given_by_its_name() -> None:
    unnamed: Any = UTC
    with pytest.raises(ValueError, match=r"that of a cron line \(cron=\)"):
        cron_of(None, "UTC", None, None)
    with pytest.raises(TypeError, match="such as 'Europe/Berlin', not datetime"):
        cron_of("@daily", unnamed, None, None)
