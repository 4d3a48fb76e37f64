# SPDX-License-Identifier: MIT
"""A few mutants of our own: mutmut neither removes a statement nor knows what a setting of a database means."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["LIST", "TARGET", "Decisive", "read_list", "run"]

TARGET: Final = "decisive"
LIST: Final = Path(__file__).with_name("decisive.toml")


@dataclass(frozen=True, slots=True)
class Decisive:
    """A mutant that a test has to kill.

    Attributes:
        consequence: The fault that users would meet.
        file: The module, in src/geartrain.
        line: The line.
        mutant: The line in its place.
        tests: The tests, as pytest takes them.
    """

    consequence: str
    file: str
    line: str
    mutant: str
    tests: tuple[str, ...]

    def apply(self, source: str) -> str:
        """Return the mutated source of the module."""
        lines = source.splitlines(keepends=True)
        (place,) = (place for place, line in enumerate(lines) if line.strip() == self.line)
        lines[place] = lines[place].replace(self.line, self.mutant)
        return "".join(lines)


def read_list() -> list[Decisive]:
    """Return the mutants of the list."""
    entries = tomllib.loads(LIST.read_text())["mutant"]
    return [Decisive(**entry | {"tests": tuple(entry["tests"])}) for entry in entries]


def run(root: Path, copy: Path) -> int:
    """Test each mutant; 0: all are killed, 1: some survive, 2: the tests fail without a mutant.

    Args:
        root: The project.
        copy: A folder for the mutated source.
    """
    entries = read_list()
    if not _pass(root, root / "src", [test for entry in entries for test in entry.tests]):
        return 2
    survivors = 0
    for entry in entries:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(root / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / "geartrain" / entry.file
        file.write_text(entry.apply(file.read_text()))
        survives = _pass(root, copy, entry.tests)
        survivors += survives
        print(f"{'survived' if survives else 'killed':10}{entry.consequence}", flush=True)
    print(f"{len(entries)} mutants: {len(entries) - survivors} killed, {survivors} survived")
    return int(survivors > 0)


def _pass(root: Path, source: Path, tests: Iterable[str]) -> bool:
    """Run tests over a folder of sources; return whether all of them pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *dict.fromkeys(tests)]
    environment = os.environ | {"PYTHONPATH": str(source), "HYPOTHESIS_PROFILE": "mutation"}
    return not subprocess.run(command, cwd=root, env=environment, capture_output=True, check=False).returncode
