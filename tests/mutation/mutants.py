# SPDX-License-Identifier: MIT
"""Modules with their mutants, in the files that mutmut writes beside them.

mutmut 3.8 writes all mutants of a module into a copy of it, as further functions. Beside it are the exit codes of the
tests for each mutant (``.meta``), and the lines of each function (``.spans``).
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.mutation.survivors import Mutant, readable

__all__ = ["INTERRUPTED", "LEFT_OUT", "SURVIVED", "TYPE_ERROR", "UNTESTED", "MutatedModule", "modules"]

# Exit codes of the tests for a mutant, and those that mutmut uses in place of one; all others are of failed tests.
SURVIVED: Final = 0
UNTESTED: Final = (5, 33)  # no test reaches it
LEFT_OUT: Final = 34
TYPE_ERROR: Final = 37
INTERRUPTED: Final = 2  # by the limit of CPU time


class MutatedModule:
    """A module with its mutants.

    Args:
        path: The copy with the mutants.
        name: The name of the module.

    Attributes:
        codes: The exit code for each mutant; None if it was not tested.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._file = path.with_name(f"{path.name}.meta")
        self._content: dict[str, Any] = json.loads(self._file.read_text())
        self.codes: dict[str, int | None] = self._content["exit_code_by_key"]
        self._spans: dict[str, tuple[int, int]] = json.loads(path.with_name(f"{path.name}.spans").read_text())["spans"]

    @cached_property
    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    def save(self) -> None:
        """Write the exit codes."""
        self._file.write_text(json.dumps(self._content, indent=4))

    def mutant(self, name: str) -> Mutant:
        """Return a mutant by its name."""
        generated = name.rpartition(".")[2]
        original = _original(generated)
        before, after = (
            self._source(function).replace(f"def {function}(", f"def {readable(name).rpartition('.')[2]}(")
            for function in (original, generated)
        )
        diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        return Mutant.from_diff(name, "\n".join(diff))

    def with_errors(self, errors: Mapping[int, set[str]]) -> Iterator[str]:
        """Yield the mutants with an error that their original does not have.

        Args:
            errors: The messages of each line of the copy.
        """
        for name in self.codes:
            generated = name.rpartition(".")[2]
            if self._errors(generated, errors) - self._errors(_original(generated), errors):
                yield name

    def _errors(self, function: str, errors: Mapping[int, set[str]]) -> set[str]:
        first, last = self._spans[function]
        return {message for line in range(first, last + 1) for message in errors.get(line, ())}

    def _source(self, function: str) -> str:
        first, last = self._spans[function]
        return "\n".join(self._lines[first - 1 : last])


def modules(folder: Path, sources: Path) -> list[MutatedModule]:
    """Return the modules with mutants in mutmut's copy of a folder of sources."""
    found = []
    for file in sorted(folder.rglob("*.py.meta")):
        path = file.with_suffix("")
        relative = path.relative_to(folder)
        if (sources / relative).exists():
            found.append(MutatedModule(path, ".".join(relative.with_suffix("").parts)))
    return found


def _original(generated: str) -> str:
    return f"{generated.rpartition('__mutmut_')[0]}__mutmut_orig"
