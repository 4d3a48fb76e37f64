# SPDX-License-Identifier: MIT
"""Changes to a store."""

import pytest

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.packing import CorruptRecord, pack
from geartrain.core.record import JobRecord

ONE = JobRecord(1, b"H:1", b"f", b"u", 0, b"w")
TWO = JobRecord(4, b"H:4", b"f", run_at=5)


def put_new() -> PutNew:
    return PutNew([1, 4], pack(ONE) + pack(TWO))


def test_new_jobs_are_numbers_with_packed_records() -> None:
    assert put_new().records() == [ONE, TWO]
    assert put_new().pairs() == [(1, pack(ONE)), (4, pack(TWO))]
    assert PutNew([], b"").pairs() == []


def test_new_jobs_that_were_not_packed_whole_are_an_error() -> None:
    with pytest.raises(CorruptRecord):
        PutNew([1], pack(ONE)[:-1]).pairs()
    with pytest.raises(ValueError, match="shorter"):
        PutNew([1, 4], pack(ONE)).pairs()


def test_changes_are_values() -> None:
    changes: list[Change] = [
        put_new(),
        PutNew([1], pack(ONE)),
        Put([ONE]),
        Put([]),
        Forget([1]),
        Reserve(1),
        Reserve(2),
    ]
    same: list[Change] = [put_new(), PutNew([1], pack(ONE)), Put([ONE]), Put([]), Forget([1]), Reserve(1), Reserve(2)]

    for place, change in enumerate(changes):
        assert [other == change for other in same] == [other == place for other in range(len(same))]
        assert change != "a change"


def test_changes_show_what_is_in_them() -> None:
    assert repr(PutNew([1], pack(ONE))) == f"PutNew([{ONE!r}])"
    assert repr([Put([TWO]), Forget([3]), Reserve(9)]) == f"[Put([{TWO!r}]), Forget([3]), Reserve(9)]"


def test_new_jobs_are_equal_by_numbers_and_records() -> None:
    assert put_new() == put_new()
    assert put_new() != PutNew([1, 5], put_new().packed)
    assert put_new() != PutNew([1, 4], pack(ONE) + pack(TWO.replace(run_at=6)))
