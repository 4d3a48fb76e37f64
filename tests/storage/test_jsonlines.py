# SPDX-License-Identifier: MIT
"""Jobs as lines of JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.jobrecord import JobRecord
from geartrain.storage import StoreError
from geartrain.storage.jsonlines import decode, encode, read_lines

LINES = [
    (
        JobRecord(17, b"H:a:17", b"size", b"", 1, b'{"id": 7}'),
        b'{"number": 17, "handle": "H:a:17", "function": "size", "priority": "normal", "workload": "{\\"id\\": 7}"}\n',
    ),
    (
        JobRecord(1, b"H:1", "grün".encode(), b"u", 0, b"\xff\0", 2**40, 3, b"r", b"*/5 * * * *", "here"),
        '{"number": 1, "handle": "H:1", "function": "grün", "unique": "u", "priority": "high", '
        '"workload": {"base64": "/wA="}, "run_at": 1099511627776, "retries": 3, "reducer": "r", '
        '"schedule": "*/5 * * * *", "owner": "here"}\n'.encode(),
    ),
]

names = st.binary(max_size=20).map(lambda name: name.replace(b"\0", b"."))


@pytest.mark.parametrize(("record", "line"), LINES)
def test_a_job_is_a_line(record: JobRecord, line: bytes) -> None:
    assert (encode(record), decode(line)) == (line, record)


@given(
    st.builds(
        JobRecord,
        number=st.integers(0, 2**62),
        handle=names,
        function=names.map(lambda name: name or b"f"),
        unique=names,
        priority=st.integers(0, 2),
        workload=st.binary() | st.text().map(str.encode),
        run_at=st.integers(0, 2**62),
        retries=st.integers(0, 2**31 - 1),
        reducer=names,
        schedule=st.sampled_from([b"", b"*/5 * * * *", b"0 3 L * MON,TUE"]),
        owner=st.text(),
    )
)
def test_every_job_comes_back_as_it_was_from_one_line(record: JobRecord) -> None:
    line = encode(record)

    assert decode(line) == record
    assert line.count(b"\n") == 1


def test_a_line_by_hand_needs_a_function() -> None:
    assert decode(b'{"function": "f"}') == JobRecord(0, b"", b"f", b"", 1, b"")


def test_empty_lines_are_skipped() -> None:
    assert [job.function for job in read_lines([b"\n", b'{"function": "f"}\r\n', b"  "])] == [b"f"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"function": "f"', "no JSON: Expecting ',' delimiter at column 17"),
        (b'{"function": "\xff"}', "no JSON: it is not UTF-8"),
        (b'{"function": "f", "number": ' + b"9" * 5000 + b"}", "no JSON: Exceeds the limit"),
        (b"[" * 100_000, "brackets in brackets"),
        (b"17", "a job is a JSON object"),
        (b"{}", "a job has a 'function'"),
        (b'{"function": ""}', "a job has a 'function'"),
        (b'{"function": "f", "colour": 1}', "'colour' is no field of a job; there are number, handle"),
        (b'{"function": 1}', "'function' is a string or .*, not 1"),
        (b'{"function": {"base64": 1}}', "'function' is a string or"),
        (b'{"function": {"base64": "Zg==", "x": 1}}', "'function' is a string or"),
        (b'{"function": {"base64": "?"}}', "'function' is no base64"),
        (b'{"function": "a\\u0000b"}', "'function' cannot contain a zero byte"),
        (b'{"function": "f", "handle": {"base64": "AA=="}}', "'handle' cannot contain a zero byte"),
        (b'{"function": "f", "workload": "\\ud800"}', "'workload' has half a character"),
        (b'{"function": "f", "owner": "\\ud800"}', "'owner' has half a character"),
        (b'{"function": "f", "owner": 7}', "'owner' is a string, not 7"),
        (b'{"function": "f", "priority": 1}', "'priority' is high, normal, low, not 1"),
        (b'{"function": "f", "priority": "urgent"}', 'not "urgent"'),
        (b'{"function": "f", "schedule": "now and then"}', "'schedule' is a cron line, unlike \"now"),
        (b'{"function": "f", "schedule": "* * * * * *"}', "'schedule' has the five fields of a cron line"),
        (b'{"function": "f", "schedule": "0 0 31 4 *"}', "'schedule' is a cron line"),
        (b'{"function": "f", "schedule": {"base64": "/w=="}}', "'schedule' is a cron line"),
        (b'{"function": "f", "number": true}', "'number' is a whole number from 0 to 4611686018427387904, not true"),
        (b'{"function": "f", "number": -1}', "not -1"),
        (b'{"function": "f", "run_at": 1e3}', "'run_at' is a whole number"),
        (b'{"function": "f", "retries": 2147483648}', "'retries' is a whole number from 0 to 2147483647"),
        (b'{"function": "f", "number": "' + b"9" * 100 + b'"}', "…"),
    ],
)
def test_a_line_that_is_no_job_is_named_with_what_is_wrong(line: bytes, problem: str) -> None:
    with pytest.raises(StoreError, match=rf"^line 2: .*{problem}"):
        list(read_lines([b'{"function": "f"}\n', line]))
