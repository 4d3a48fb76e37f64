# SPDX-License-Identifier: MIT
"""Numbers, buffers and searches in plain Python, compared with those of the compiled server."""

from collections.abc import Callable

import pytest
from librt import strings

from geartrain.protocol import _binary, scan

NUMBERS = [0, 1, -1, 2**31 - 1, -(2**31)]
LONG_NUMBERS = [*NUMBERS, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("number", NUMBERS)
def test_32_bits_are_written_and_read_as_librt_does(number: int) -> None:
    ours, theirs = _binary.BytesWriter(), strings.BytesWriter()

    for writer in (ours, theirs):
        writer.write(b"before")
    _binary.write_i32_be(ours, number)
    strings.write_i32_be(theirs, number)

    assert ours.getvalue() == theirs.getvalue()
    assert _binary.read_i32_be(ours.getvalue(), 6) == strings.read_i32_be(theirs.getvalue(), 6) == number


@pytest.mark.parametrize("number", LONG_NUMBERS)
def test_64_bits_are_written_and_read_as_librt_does(number: int) -> None:
    ours, theirs = _binary.BytesWriter(), strings.BytesWriter()

    for writer in (ours, theirs):
        writer.append(1)
    _binary.write_i64_be(ours, number)
    strings.write_i64_be(theirs, number)

    assert ours.getvalue() == theirs.getvalue()
    assert _binary.read_i64_be(ours.getvalue(), 1) == strings.read_i64_be(theirs.getvalue(), 1) == number


@pytest.mark.parametrize("find_nul", [scan.find_nul, _binary.find_nul], ids=["compiled", "interpreted"])
@pytest.mark.parametrize("position", [0, 1, 126, 127, 128, 129, 1000])
class TestASearch:
    def test_finds_the_first_from_its_start_on(self, find_nul: Callable[[bytes, int, int], int], position: int) -> None:
        data = b"\0" * 5 + b"x" * position + b"\0\0"

        assert find_nul(data, 5, len(data)) == 5 + position

    def test_stops_before_its_end(self, find_nul: Callable[[bytes, int, int], int], position: int) -> None:
        data = b"x" * position + b"\0"

        assert find_nul(data, 0, position) == -1
