# SPDX-License-Identifier: MIT
"""Records as bytes."""

import pytest

from geartrain.jobrecord import JobRecord
from geartrain.storage import StoreError
from geartrain.storage.packing import pack, unpack, unpack_all

PLAIN = JobRecord(1, b"H:1", b"f", b"u", 2, b"w")
# (record, bytes): these are in the files of users, so they never change.
LAYOUTS = [
    (PLAIN, b"\2\0\0\0\0\0\0\0\1\2\0\0\0\3\0\0\0\1\0\0\0\1\0\0\0\1H:1fuw"),
    (
        JobRecord(2, b"H:2", b"f", b"", 1, b"", 3, 4, b"r", b"* * * * *", "o"),
        b"\1"
        b"\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\4"
        b"\1"
        b"\0\0\0\3\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\x09\0\0\0\1"
        b"H:2frs".replace(b"s", b"* * * * *o"),
    ),
]
# An earlier version packed plain jobs like all others.
OLD_PLAIN = b"\1" + bytes(7) + b"\1" + bytes(16) + b"\2" + b"\0\0\0\3\0\0\0\1\0\0\0\1\0\0\0\1" + bytes(12) + b"H:1fuw"


@pytest.mark.parametrize(("record", "packed"), LAYOUTS)
def test_a_record_has_its_layout(record: JobRecord, packed: bytes) -> None:
    assert (pack(record), unpack(packed)) == (packed, record)


def test_a_plain_job_of_an_earlier_version_is_read() -> None:
    assert unpack(OLD_PLAIN) == PLAIN


def test_records_that_stand_one_behind_the_other_are_told_apart() -> None:
    assert [*unpack_all(b"".join(packed for _, packed in LAYOUTS * 2))] == [record for record, _ in LAYOUTS * 2]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\3" + LAYOUTS[0][1][1:], b"letters", *[packed[:-1] for _, packed in LAYOUTS], OLD_PLAIN + b"x"],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(StoreError):
        unpack(data)


@pytest.mark.parametrize("end", [-1, -7, len(LAYOUTS[0][1]) + 1])
def test_records_that_are_torn_are_refused(end: int) -> None:
    with pytest.raises(StoreError):
        [*unpack_all(b"".join(packed for _, packed in LAYOUTS)[:end])]
