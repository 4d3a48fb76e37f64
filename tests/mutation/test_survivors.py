# SPDX-License-Identifier: MIT
"""The list of mutants that need not be killed, without the hours of `make mutation`."""

from pathlib import Path

import pytest

from tests.mutation.survivors import Accepted, Mutant, compare, read_list

SOURCE = Path(__file__).parents[2] / "src"

DIFF = """
# geartrain.protocol.reader.xǁReaderǁfeed__mutmut_11: survived
--- src/geartrain/protocol/reader.py
+++ src/geartrain/protocol/reader.py
@@ -7,3 +7,3 @@
             self._partial = 0
-        elif self._next < self._size:
+        elif self._next <= self._size:
             data = self._data[self._next :] + data
"""
MUTANT = Mutant(
    "geartrain.protocol.reader.Reader.feed", "elif self._next < self._size:", "elif self._next <= self._size:"
)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        (
            "geartrain.protocol.reader.xǁReaderǁ_find_separators__mutmut_11",
            "geartrain.protocol.reader.Reader._find_separators",
        ),
        ("geartrain.protocol.reader.xǁReaderǁ__init____mutmut_5", "geartrain.protocol.reader.Reader.__init__"),
        ("geartrain.protocol.packets.x__refuse_nul__mutmut_5", "geartrain.protocol.packets._refuse_nul"),
        ("geartrain.protocol.packets.x_request__mutmut_9", "geartrain.protocol.packets.request"),
    ],
)
def test_names_of_mutmut_are_those_of_functions(name: str, function: str) -> None:
    assert Mutant.from_diff(name, DIFF).function == function


def test_a_mutant_is_its_changed_line() -> None:
    assert Mutant.from_diff("geartrain.protocol.reader.xǁReaderǁfeed__mutmut_11", DIFF) == MUTANT


@pytest.mark.parametrize(
    ("entry", "covers"),
    [
        (Accepted(MUTANT.function, MUTANT.line, (), "any"), True),
        (Accepted(MUTANT.function, MUTANT.line, (MUTANT.mutant,), "this"), True),
        (Accepted(MUTANT.function, "", (), "the function"), True),
        (Accepted(MUTANT.function, MUTANT.line, ("elif True:",), "another"), False),
        (Accepted(MUTANT.function, "another line", (), "another"), False),
        (Accepted("another function", MUTANT.line, (), "another"), False),
    ],
)
def test_a_survivor_has_to_be_listed_and_an_entry_has_to_survive(entry: Accepted, covers: bool) -> None:
    assert compare([MUTANT], [entry]) == (([], []) if covers else ([MUTANT], [entry]))


def test_each_entry_of_the_list_is_a_line_of_the_source() -> None:
    for entry in read_list():
        parts = entry.function.split(".")
        module = next(
            path
            for count in range(len(parts), 0, -1)
            if (path := SOURCE.joinpath(*parts[:count]).with_suffix(".py")).exists()
        )
        lines = {line.strip() for line in module.read_text().splitlines()}
        assert entry.line in lines or (not entry.line and any(f"def {parts[-1]}(" in line for line in lines)), entry
        assert entry.reason
