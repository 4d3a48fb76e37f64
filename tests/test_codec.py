# SPDX-License-Identifier: MIT
"""Codecs: values and bytes, with msgspec and with the standard library."""

import dataclasses
import datetime
import subprocess
import sys
import uuid
from typing import Any

import pytest

from geartrain import JSON, PICKLE, RAW, Codec, CodecError
from geartrain.codec import json_codec

UTC = datetime.UTC


@dataclasses.dataclass
class Point:
    x: int
    y: int


@pytest.fixture(params=["msgspec", "standard library"])
def json(request: pytest.FixtureRequest) -> Codec[Any, Any]:
    """The JSON codec over either library."""
    return json_codec(pytest.importorskip("msgspec") if request.param == "msgspec" else None)


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
def test_both_libraries_write_the_same_json(json: Codec[Any, Any], value: object, data: bytes) -> None:
    assert json.encode(value) == data


@pytest.mark.parametrize("value", [None, True, 2**70, -1, 1.5, "ü\n", [], {"a": [{}]}])
def test_json_round_trips(json: Codec[Any, Any], value: object) -> None:
    assert json.decode(json.encode(value)) == value


def test_json_rejects_values_that_it_cannot_write(json: Codec[Any, Any]) -> None:
    with pytest.raises(TypeError, match="object"):
        json.encode(object())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"{'a': 1}", b"1 2"])
def test_the_error_for_other_bytes_shows_them(json: Codec[Any, Any], data: bytes) -> None:
    with pytest.raises(CodecError, match="not JSON"):
        json.decode(data)


def test_the_public_codec_uses_msgspec_if_it_is_installed() -> None:
    msgspec = pytest.importorskip("msgspec")

    assert JSON.encode(float("nan")) == msgspec.json.encode(float("nan")) == b"null"


@pytest.mark.parametrize(
    "program",
    [
        "from geartrain import JSON; print(JSON.decode(JSON.encode({'a': [1]})))",
        "import geartrain.worker; print(geartrain.JSON.encode('x'))",
    ],
)
def test_a_plain_install_has_json(program: str) -> None:
    without = f"import sys; sys.modules['msgspec'] = None; {program}"

    subprocess.run([sys.executable, "-c", without], check=True)


def test_raw_accepts_only_text_and_bytes() -> None:
    assert RAW.encode("ü") == "ü".encode()
    assert RAW.encode(b"\0\xff") == b"\0\xff"
    assert RAW.decode(b"\0\xff") == b"\0\xff"
    with pytest.raises(TypeError, match="int"):
        RAW.encode(1)  # type: ignore[arg-type]


def test_pickle_encodes_any_object() -> None:
    assert PICKLE.decode(PICKLE.encode(Point(1, 2))) == Point(1, 2)
    with pytest.raises(CodecError, match="pickle"):
        PICKLE.decode(b"not one")
