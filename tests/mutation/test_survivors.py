# SPDX-License-Identifier: MIT
"""The list of mutants that need not be killed, without the hours of `make mutation`."""

import json
from pathlib import Path

import pytest

from tests.mutation import decisive
from tests.mutation.mutants import MutatedModule, modules
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


def test_each_decisive_mutant_changes_one_line_of_the_source() -> None:
    for mutant in decisive.read_list():
        source = (SOURCE / "geartrain" / mutant.file).read_text()
        changed = mutant.apply(source)
        assert [
            (before.strip(), after.strip())
            for before, after in zip(source.splitlines(), changed.splitlines(), strict=True)
            if before != after
        ] == [(mutant.line, mutant.mutant)]


class TestModules:
    COPY = """\
class A:
    def f(self) -> int:
        return trampoline()

    def xǁAǁf__mutmut_orig(self) -> int:
        self.again = 1
        return 1

    def xǁAǁf__mutmut_1(self) -> int:
        self.again = 1
        return 2
"""
    MUTANTS = "geartrain.core.a.xǁAǁf__mutmut_1"

    @pytest.fixture
    def module(self, tmp_path: Path) -> MutatedModule:
        copies, sources = tmp_path / "mutants", tmp_path / "src"
        for folder in (copies, sources):
            (folder / "geartrain" / "core").mkdir(parents=True)
        (sources / "geartrain" / "core" / "a.py").write_text("")
        copy = copies / "geartrain" / "core" / "a.py"
        copy.write_text(self.COPY)
        copy.with_name("a.py.meta").write_text(json.dumps({"exit_code_by_key": {self.MUTANTS: None}}))
        spans = {"xǁAǁf__mutmut_orig": (5, 7), "xǁAǁf__mutmut_1": (9, 11)}
        copy.with_name("a.py.spans").write_text(json.dumps({"version": 1, "spans": spans}))
        (module,) = modules(copies, sources)
        return module

    def test_a_mutant_is_read_from_the_copy(self, module: MutatedModule) -> None:
        assert module.name == "geartrain.core.a"
        assert module.mutant(self.MUTANTS) == Mutant("geartrain.core.a.A.f", "return 1", "return 2")

    def test_exit_codes_are_kept(self, module: MutatedModule, tmp_path: Path) -> None:
        module.codes[self.MUTANTS] = 1
        module.save()

        (again,) = modules(tmp_path / "mutants", tmp_path / "src")
        assert again.codes == {self.MUTANTS: 1}

    @pytest.mark.parametrize(
        ("errors", "found"),
        [
            ({}, False),
            ({11: {"wrong type"}}, True),
            ({6: {"defined again"}, 10: {"defined again"}}, False),
            ({3: {"of the trampoline"}}, False),
            ({7: {"wrong type"}}, False),
        ],
        ids=["none", "of the mutant", "of all copies", "outside", "of the original"],
    )
    def test_a_mutant_has_the_errors_that_its_original_has_not(
        self, module: MutatedModule, errors: dict[int, set[str]], found: bool
    ) -> None:
        assert list(module.with_errors(errors)) == ([self.MUTANTS] if found else [])

    def test_a_module_that_is_no_longer_there_is_ignored(self, module: MutatedModule, tmp_path: Path) -> None:
        (tmp_path / "src" / "geartrain" / "core" / "a.py").unlink()

        assert modules(tmp_path / "mutants", tmp_path / "src") == []
