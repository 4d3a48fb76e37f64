# SPDX-License-Identifier: MIT
"""Job records and their layouts, against bytes written down by hand and by earlier versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core.packing import CorruptRecord, pack, pack_tagged, skip, split, unpack, unpack_all, unpack_tagged
from geartrain.core.record import FIELDS, JobRecord

PLAIN = JobRecord(5, b"H:a:5", b"resize", b"u", 2, b"w\0w", created_at=1_700_000_000_123)
PLAIN_BYTES = bytes.fromhex(
    "03 02 0000000000000005 0000018bcfe5687b 00000005 00000006 00000001 00000003483a613a35 726573697a65 75 770077"
)
TAGGED = JobRecord(-1, b"h", b"f", run_at=2, reducer=b"r", unknown=((200, b"later"),))
TAGGED_BYTES = bytes.fromhex(
    "04 01 ffffffffffffffff 0000000000000000 00000001 00000001 00000000 00000000 0000001d"
    "68 66"
    "01 00000008 0000000000000002"
    "10 00000001 72"
    "c8 00000005 6c61746572"
)
OLD = [  # as the version before tagged fields wrote them; it had times in seconds
    (
        "02 0000000000000007 01 00000005 00000001 00000000 00000001 483a613a37 66 77",
        JobRecord(7, b"H:a:7", b"f", b"", 1, b"w"),
    ),
    (
        """01 0000000000000008 000000006553f100 0000000000000003 00
        00000001 00000001 00000001 00000001 00000001 00000009 00000001
        68 66 75 77 72 2a2f35202a202a20 2a 6f""",
        JobRecord(
            8, b"h", b"f", b"u", 0, b"w", run_at=1_700_000_000_000, losses=3, reducer=b"r", schedule=b"*/5 * * *"
        ),
    ),
    (
        """01 0000000000000009 7fffffffffffffff 0000000000000000 02
        00000001 00000001 00000000 00000000 00000000 00000000 00000000 68 66""",
        JobRecord(9, b"h", b"f", b"", 2, b"", run_at=2**63 - 1),
    ),
]

numbers = st.integers(-(2**63) + 1, 2**63 - 1)
names = st.binary(max_size=70)
records = st.builds(
    JobRecord,
    number=numbers,
    handle=names,
    function=names,
    unique=names,
    priority=st.integers(0, 2),
    workload=st.binary(max_size=300),
    started=st.booleans(),
    unknown=st.lists(st.tuples(st.integers(100, 255), names), max_size=3).map(tuple),
    **dict.fromkeys(("created_at", "run_at", "losses", "failures", "expires_at", "depth"), st.just(0) | numbers),
    **dict.fromkeys(
        ("reducer", "schedule", "timezone", "key", "batch", "origin", "then", "on_failure", "overrides"), names
    ),
    **dict.fromkeys(("reason", "error"), names),
)


@pytest.mark.parametrize(("record", "data"), [(PLAIN, PLAIN_BYTES), (TAGGED, TAGGED_BYTES)])
def test_a_record_is_packed_as_the_layout_says(record: JobRecord, data: bytes) -> None:
    assert pack(record) == data
    assert unpack(data) == record


@pytest.mark.parametrize(("data", "record"), OLD)
def test_layouts_of_earlier_versions_are_read(data: str, record: JobRecord) -> None:
    assert unpack(bytes.fromhex(data)) == record
    assert unpack_all(bytes.fromhex(data) + PLAIN_BYTES) == [record, PLAIN]


@given(record=records)
def test_a_packed_record_is_unpacked_as_it_was(record: JobRecord) -> None:
    assert unpack(pack(record)) == record


@given(many=st.lists(records, max_size=5))
def test_records_stand_one_behind_the_other(many: list[JobRecord]) -> None:
    packed = [pack(record) for record in many]

    assert unpack_all(b"".join(packed)) == many
    assert split(b"".join(packed)) == packed
    for count in range(len(many) + 1):
        assert skip(b"".join(packed), 0, count) == sum(map(len, packed[:count]))


@given(record=records)
def test_tagged_fields_can_be_kept_apart(record: JobRecord) -> None:
    plain = JobRecord(
        record.number,
        record.handle,
        record.function,
        record.unique,
        record.priority,
        record.workload,
        created_at=record.created_at,
    )
    unpack_tagged(plain, pack_tagged(record))

    assert plain == record


@given(record=records)
def test_a_record_that_is_cut_off_is_an_error(record: JobRecord) -> None:
    data = pack(record)

    for end in range(len(data)):
        with pytest.raises(CorruptRecord):
            unpack(data[:end])


@given(data=st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: bytes([4, 1]) + tail))
def test_other_bytes_are_records_or_an_error(data: bytes) -> None:
    try:
        found = unpack_all(data)
    except CorruptRecord:
        return
    assert unpack_all(b"".join(map(pack, found))) == found


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not a job"),
        (b"\5" + PLAIN_BYTES[1:], "not a job, or one of a later version"),
        (b"\5" + bytes(80), "not a job, or one of a later version"),
        (PLAIN_BYTES + b"x", "a job of 49 bytes has 50"),
        (PLAIN_BYTES[:1] + b"\3" + PLAIN_BYTES[2:], "invalid priority of a job: 3"),
        (bytes.fromhex(OLD[0][0])[:9] + b"\3" + bytes.fromhex(OLD[0][0])[10:], "invalid priority of a job: 3"),
        (PLAIN_BYTES[:18] + b"\xff" + PLAIN_BYTES[19:], "invalid length of a field"),
        (TAGGED_BYTES[:-9] + b"\xff" + TAGGED_BYTES[-8:], "invalid tagged field of a job"),
        (TAGGED_BYTES[:-9] + b"\0\0\0\6later", "invalid tagged field of a job"),
        (TAGGED_BYTES[:34] + b"\0\0\0\6h" + b"f" + b"\1\0\0\0\1\1", "invalid number of a job"),
    ],
)
def test_corrupt_bytes_are_explained(data: bytes, problem: str) -> None:
    with pytest.raises(CorruptRecord, match=problem):
        unpack(data)


@pytest.mark.parametrize(
    "record",
    [JobRecord(2**63, b"h", b"f"), JobRecord(1, b"h", b"f", created_at=-(2**63)), TAGGED.replace(run_at=2**63)],
)
def test_a_number_that_does_not_fit_is_an_error(record: JobRecord) -> None:
    with pytest.raises(OverflowError, match="63 bits"):
        pack(record)


def test_a_priority_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(OverflowError, match="not 3"):
        pack(PLAIN.replace(priority=3))


def test_a_field_that_is_too_long_is_an_error() -> None:
    with pytest.raises(OverflowError, match="2147483647 bytes"):
        pack(PLAIN.replace(workload=bytes(2**31)))  # zeros, which take no memory before they are touched


def test_records_are_equal_field_by_field() -> None:
    assert PLAIN.replace() == PLAIN
    assert PLAIN != b"H:a:5"
    another = {int: 77, bytes: b"another", bool: True, tuple: ((7, b""),)}
    for name in FIELDS:
        assert PLAIN.replace(**{name: another[type(getattr(PLAIN, name))]}) != PLAIN


def test_a_record_shows_the_fields_that_it_has() -> None:
    assert repr(JobRecord(1, b"h", b"f", losses=2)) == "JobRecord(number=1, handle=b'h', function=b'f', losses=2)"
    assert repr(JobRecord(0, b"", b"")) == "JobRecord(number=0, handle=b'', function=b'')"


@pytest.mark.parametrize(("data", "record"), OLD)
def test_records_of_earlier_versions_may_stand_behind_others(data: str, record: JobRecord) -> None:
    assert unpack_all(PLAIN_BYTES + bytes.fromhex(data) * 2) == [PLAIN, record, record]


@pytest.mark.parametrize("data", [PLAIN_BYTES, TAGGED_BYTES, *[bytes.fromhex(data) for data, _ in OLD]])
def test_a_record_behind_others_that_is_cut_off_is_an_error(data: bytes) -> None:
    for end in range(1, len(data)):
        with pytest.raises(CorruptRecord):
            unpack_all(TAGGED_BYTES * 2 + data[:end])


EMPTY = [
    b"\1" + bytes(24) + b"\1" + bytes(28),
    b"\2" + bytes(8) + b"\1" + bytes(16),
    b"\3\1" + bytes(32),
    b"\4\1" + bytes(36),
]


@pytest.mark.parametrize("data", EMPTY)
def test_all_fields_may_be_empty(data: bytes) -> None:
    assert unpack(data) == JobRecord(0, b"", b"")


def test_the_largest_number_fits() -> None:
    record = TAGGED.replace(number=2**63 - 1, run_at=2**63 - 1)

    assert unpack(pack(record)) == record


def test_tagged_fields_that_are_cut_off_are_an_error() -> None:
    data = pack_tagged(TAGGED)
    for end in (1, 4, len(data) - 1):
        with pytest.raises(CorruptRecord, match="tagged field"):
            unpack_tagged(JobRecord(1, b"h", b"f"), data + data[:end])


def test_fields_are_empty_by_default() -> None:
    record = JobRecord(1, b"h", b"f")

    assert (record.unique, record.workload) == (b"", b"")
