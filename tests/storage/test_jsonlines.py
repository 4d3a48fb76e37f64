# SPDX-License-Identifier: MIT
"""Jobs as lines of JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core.record import JobRecord
from geartrain.storage import StoreError
from geartrain.storage.jsonlines import decode, encode, read_lines

LINES = [
    (
        JobRecord(17, b"H:a:17", b"size", b"", 1, b'{"id": 7}'),
        b'{"number": 17, "handle": "H:a:17", "function": "size", "priority": "normal", "workload": "{\\"id\\": 7}"}\n',
    ),
    (
        JobRecord(
            1,
            b"H:1",
            "grün".encode(),
            b"u",
            0,
            b"\xff\0",
            created_at=1_700_000_000_050,
            run_at=2**40 * 1000,
            losses=3,
            started=True,
            reducer=b"r",
            schedule=b"*/5 * * * *",
            unknown=((200, b"\0"), (201, b"\xff")),
        ),
        '{"number": 1, "handle": "H:1", "function": "grün", "unique": "u", "priority": "high", '
        '"workload": {"base64": "/wA="}, "created_at": 1700000000.05, "run_at": 1099511627776, "losses": 3, '
        '"started": true, "reducer": "r", "schedule": "*/5 * * * *", '
        '"unknown": [[200, "\\u0000"], [201, {"base64": "/w=="}]]}\n'.encode(),
    ),
]

names = st.binary(max_size=20).map(lambda name: name.replace(b"\0", b"."))


@pytest.mark.parametrize(("record", "line"), LINES)
def test_a_job_is_a_line(record: JobRecord, line: bytes) -> None:
    assert (encode(record), decode(line)) == (line, record)


@given(
    st.builds(
        JobRecord,
        number=st.integers(0, 2**63 - 1),
        handle=names,
        function=names.map(lambda name: name or b"f"),
        unique=names,
        priority=st.integers(0, 2),
        workload=st.binary() | st.text().map(str.encode),
        schedule=st.sampled_from([b"", b"*/5 * * * *", b"0 3 L * MON,TUE"]),
        started=st.booleans(),
        unknown=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=9)), max_size=2).map(tuple),
        **dict.fromkeys(("created_at", "run_at", "expires_at"), st.integers(0, 2**50) | st.just(2**63 - 1)),
        **dict.fromkeys(("losses", "failures", "depth"), st.integers(0, 2**63 - 1)),
        **dict.fromkeys(("reducer", "timezone", "key", "batch", "origin", "then", "on_failure"), names),
        **dict.fromkeys(("overrides", "reason", "error"), names),
    )
)
def test_every_job_comes_back_as_it_was_from_one_line(record: JobRecord) -> None:
    line = encode(record)

    assert decode(line) == record
    assert line.count(b"\n") == 1


def test_a_line_by_hand_needs_a_function() -> None:
    assert decode(b'{"function": "f"}') == JobRecord(0, b"", b"f", b"", 1, b"")


@pytest.mark.parametrize(
    ("field", "record"),
    [
        (b'"run_at": 0', JobRecord(0, b"", b"f")),
        (b'"number": 0, "losses": 0', JobRecord(0, b"", b"f")),
        (b'"number": 9223372036854775807', JobRecord(2**63 - 1, b"", b"f")),
        (b'"run_at": 0.5', JobRecord(0, b"", b"f", run_at=500)),
        (b'"run_at": 9223372036854775807', JobRecord(0, b"", b"f", run_at=2**63 - 1)),
        (b'"unknown": [[0, "x"], [255, "y"]]', JobRecord(0, b"", b"f", unknown=((0, b"x"), (255, b"y")))),
    ],
)
def test_the_smallest_and_largest_values_are_read(field: bytes, record: JobRecord) -> None:
    assert decode(b'{"function": "f", %b}' % field) == record


def test_lines_of_earlier_versions_are_read() -> None:
    line = b'{"function": "f", "run_at": 4611686018427387904, "retries": 2, "schedule": "* * * * *"}'

    assert decode(line) == JobRecord(0, b"", b"f", run_at=2**63 - 1, losses=2, schedule=b"* * * * *")


def test_empty_lines_are_skipped() -> None:
    assert [job.function for job in read_lines([b"\n", b'{"function": "f"}\r\n', b"  "])] == [b"f"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"function": "f"', "not JSON: Expecting ',' delimiter at column 17"),
        (b'{"function": "\xff"}', "not JSON: it is not UTF-8"),
        (b'{"function": "f", "number": ' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit"),
        (b"[" * 100_000, "nested too deeply"),
        (b"17", "a job is a JSON object"),
        (b"{}", "a job needs a 'function'"),
        (b'{"function": ""}', "a job needs a 'function'"),
        (b'{"function": "f", "colour": 1}', "'colour' is not a field of a job; the fields are number, handle"),
        (b'{"function": 1}', "'function' is a string or .*, not 1"),
        (b'{"function": {"base64": 1}}', "'function' is a string or"),
        (b'{"function": {"base64": "Zg==", "x": 1}}', "'function' is a string or"),
        (b'{"function": {"base64": "?"}}', "'function' is not base64"),
        (b'{"function": "a\\u0000b"}', "'function' cannot contain a zero byte"),
        (b'{"function": "f", "handle": {"base64": "AA=="}}', "'handle' cannot contain a zero byte"),
        (b'{"function": "f", "workload": "\\ud800"}', "'workload' is not valid Unicode"),
        (b'{"function": "f", "priority": 1}', "'priority' is high, normal, low, not 1"),
        (b'{"function": "f", "priority": "urgent"}', 'not "urgent"'),
        (b'{"function": "f", "schedule": "now and then"}', "'schedule' is a cron line, not \"now"),
        (b'{"function": "f", "schedule": "* * * * * *"}', "'schedule' has the five fields of a cron line"),
        (b'{"function": "f", "schedule": "0 0 31 4 *"}', "'schedule' is a cron line"),
        (b'{"function": "f", "schedule": "0 0 */31 12 0#5"}', r"\(it is never due\)$"),
        (b'{"function": "f", "schedule": "60 * * * *"}', r"not \"60 \* \* \* \*\" \(Bad minute\)"),
        (b'{"function": "f", "schedule": {"base64": "/w=="}}', "'schedule' is a cron line"),
        (b'{"function": "f", "number": true}', "'number' is a whole number from 0 to 9223372036854775807, not true"),
        (b'{"function": "f", "number": -1}', "not -1"),
        (b'{"function": "f", "run_at": true}', "'run_at' is a number of seconds since 1970, from 0 to .*, not true"),
        (b'{"function": "f", "run_at": "today"}', "'run_at' is a number of seconds"),
        (b'{"function": "f", "created_at": -0.1}', "'created_at' is a number of seconds"),
        (b'{"function": "f", "expires_at": NaN}', "'expires_at' is a number of seconds"),
        (
            b'{"function": "f", "losses": 9223372036854775808}',
            "'losses' is a whole number from 0 to 9223372036854775807",
        ),
        (b'{"function": "f", "started": 1}', "'started' is true or false, not 1"),
        (b'{"function": "f", "unknown": [7]}', r"'unknown' is a list of tags, each with its value, not \[7\]"),
        (b'{"function": "f", "unknown": {"7": "x"}}', "'unknown' is a list of tags, each with its value"),
        (b'{"function": "f", "unknown": [[256, "x"]]}', "a tag of 'unknown' is a whole number from 0 to 255, not 256"),
        (b'{"function": "f", "unknown": [[7, 7]]}', "'unknown' is a string or"),
        (b'{"function": "f", "number": "' + b"9" * 38 + b'"}', f'not "{"9" * 38}"$'),
        (b'{"function": "f", "number": "' + b"9" * 39 + b'"}', f'not "{"9" * 39}…$'),
    ],
)
def test_a_line_that_is_no_job_is_named_with_what_is_wrong(line: bytes, problem: str) -> None:
    with pytest.raises(StoreError, match=rf"^line 2: .*{problem}"):
        list(read_lines([b'{"function": "f"}\n', line]))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"function": "\xff"}', "not JSON: it is not UTF-8"),
        (b"[" * 100_000, "not a job: the brackets are nested too deeply"),
        (b"17", "a job is a JSON object, in braces"),
        (b"{}", "a job needs a 'function'"),
        (
            b'{"function": "f", "schedule": "* * * * * *"}',
            "'schedule' has the five fields of a cron line, not \"* * * * * *\"",
        ),
    ],
)
def test_a_problem_is_a_whole_sentence(line: bytes, problem: str) -> None:
    with pytest.raises(StoreError) as caught:
        list(read_lines([line]))

    assert str(caught.value) == f"line 1: {problem}"
