# SPDX-License-Identifier: MIT
"""Values and bytes, with and without the fast library."""

import dataclasses
import datetime
import uuid

import pytest

from geartrain import JSON, PICKLE, RAW, CodecError, codecs

UTC = datetime.UTC


@dataclasses.dataclass
class Point:
    x: int
    y: int


@pytest.fixture(params=["fast", "standard library"])
def json_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "fast":
        pytest.importorskip("msgspec")
    else:
        monkeypatch.setattr(codecs, "msgspec", None)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, b"null"),
        ({"a": [1, 2.5, "ü"], "b": True}, '{"a":[1,2.5,"ü"],"b":true}'.encode()),
        ({1: "one"}, b'{"1":"one"}'),
        (2**70, b"1180591620717411303424"),
        ((1, 2), b"[1,2]"),
        ({3}, b"[3]"),
        (Point(1, 2), b'{"x":1,"y":2}'),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), b'"2026-01-02T03:04:05Z"'),
        (datetime.date(2026, 1, 2), b'"2026-01-02"'),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    ],
)
@pytest.mark.usefixtures("json_library")
def test_json_is_written_alike_by_both_libraries(value: object, data: bytes) -> None:
    assert JSON.encode(value) == data


@pytest.mark.parametrize("value", [None, True, 2**70, -1, 1.5, "ü\n", [], {"a": [{}]}])
@pytest.mark.usefixtures("json_library")
def test_json_comes_back(value: object) -> None:
    assert JSON.decode(JSON.encode(value)) == value


@pytest.mark.usefixtures("json_library")
def test_json_refuses_what_it_has_no_way_of_writing() -> None:
    with pytest.raises(TypeError, match="object"):
        JSON.encode(object())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"{'a': 1}", b"1 2"])
@pytest.mark.usefixtures("json_library")
def test_bytes_that_are_no_json_are_named(data: bytes) -> None:
    with pytest.raises(CodecError, match="not JSON"):
        JSON.decode(data)


def test_raw_takes_text_and_bytes_and_nothing_else() -> None:
    assert RAW.encode("ü") == "ü".encode()
    assert RAW.encode(b"\0\xff") == b"\0\xff"
    assert RAW.decode(b"\0\xff") == b"\0\xff"
    with pytest.raises(TypeError, match="int"):
        RAW.encode(1)  # type: ignore[arg-type]


def test_a_pickle_carries_any_object() -> None:
    assert PICKLE.decode(PICKLE.encode(Point(1, 2))) == Point(1, 2)
    with pytest.raises(CodecError, match="pickle"):
        PICKLE.decode(b"not one")
