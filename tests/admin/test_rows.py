# SPDX-License-Identifier: MIT
"""The rows of listings."""

from datetime import UTC, datetime

import pytest

from geartrain.admin.rows import FunctionStatus, JobRow, LimitRow, PriorityStatus, ScheduleRow, StallRow, WorkerStatus
from geartrain.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (b"f\t3\t1\t2", FunctionStatus("f", total=3, running=1, workers=2)),
        (b"prefix\tf\t3\t1\t2", FunctionStatus("prefix\tf", total=3, running=1, workers=2)),
        (b"f\t1\t2\t3\t4", PriorityStatus("f", high=1, normal=2, low=3, workers=4)),
        (b"H:vm:1\t2\t1\t0", JobRow("H:vm:1", retries=2, ignored=True, stored=False)),
        (b"37 127.0.0.1 - :", WorkerStatus(37, "127.0.0.1", "-", ())),
        (b"37 :: id : f g", WorkerStatus(37, "::", "id", ("f", "g"))),
        (b"37 :: an id : f::g", WorkerStatus(37, "::", "an id", ("f::g",))),
    ],
)
def test_rows_are_read(row: bytes, value: FunctionStatus | PriorityStatus | JobRow | WorkerStatus) -> None:
    assert type(value).parse(row) == value


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (FunctionStatus, b"f\t1\t2"),
        (FunctionStatus, b"f\t1\t2\tx"),
        (JobRow, b""),
        (WorkerStatus, b"37 :"),
        (WorkerStatus, b"x 127.0.0.1 - :"),
    ],
)
def test_other_rows_are_refused(kind: type[FunctionStatus | JobRow | WorkerStatus], row: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        kind.parse(row)


def test_jobs_wait_that_do_not_run() -> None:
    assert FunctionStatus("f", total=3, running=1, workers=0).waiting == 2


def test_a_schedule_has_its_next_time() -> None:
    row = ScheduleRow.parse(b"H:a:1\tf\t*/5 * * * MON\t1772452800\tu\tEurope/Berlin\thigh")

    due = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert row == ScheduleRow("H:a:1", "f", "*/5 * * * MON", due, "u", "Europe/Berlin", "high")


def test_a_stall_has_its_reason() -> None:
    assert StallRow.parse(b"a\tb\t3\t2\t15\tsilent") == StallRow("a\tb", 3, 2, 15, "silent")


def test_a_limit_has_its_count() -> None:
    assert LimitRow.parse(b"memory\t3") == LimitRow("memory", 3)
