# SPDX-License-Identifier: MIT
"""The mutants that no test kills, and the list of those that need not be killed, with reasons."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LIST", "Accepted", "Mutant", "compare", "read_list", "readable"]

LIST = Path(__file__).with_name("survivors.toml")

_NAME = re.compile(r"(?P<module>[\w.]+)\.x(?:ǁ(?P<kind>\w+)ǁ|_)(?P<function>\w+?)__mutmut_\d+")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A changed line that no test notices.

    Attributes:
        function: The function, with module and class.
        line: The line, without the spaces around it.
        mutant: The mutant's line in its place.
    """

    function: str
    line: str
    mutant: str

    @classmethod
    def from_diff(cls, name: str, diff: str) -> "Mutant":
        """Return the mutant with mutmut's name, from what ``mutmut show`` prints."""
        lines = diff.splitlines()
        removed = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
        added = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
        return cls(readable(name), " ".join(removed), " ".join(added))

    @property
    def is_other_case(self) -> bool:
        """True if only the case of letters differs, which SQL ignores."""
        return self.line.lower() == self.mutant.lower()

    def __str__(self) -> str:
        return f"{self.function}\n    - {self.line}\n    + {self.mutant}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An entry of the list.

    Attributes:
        function: The function, with module and class.
        line: The line; all lines of the function, if it is empty.
        mutants: The lines that may stand in its place; any mutant, if there are none.
        reason: The reason why no test has to notice.
    """

    function: str
    line: str
    mutants: tuple[str, ...]
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Tell whether it is about a mutant."""
        is_line = self.function == mutant.function and self.line in ("", mutant.line)
        return is_line and (not self.mutants or mutant.mutant in self.mutants)


def read_list(file: Path = LIST) -> list[Accepted]:
    """Return the entries of the list."""
    entries = tomllib.loads(file.read_text()).get("survivor", [])
    return [
        Accepted(entry["function"], entry.get("line", ""), tuple(entry.get("mutants", ())), entry["reason"])
        for entry in entries
    ]


def compare(survivors: Sequence[Mutant], accepted: Sequence[Accepted]) -> tuple[list[Mutant], list[Accepted]]:
    """Return the survivors that are not in the list, and the entries of the list that are about no survivor."""
    unknown = [mutant for mutant in survivors if not any(entry.covers(mutant) for entry in accepted)]
    unused = [entry for entry in accepted if not any(entry.covers(mutant) for mutant in survivors)]
    return unknown, unused


def readable(name: str) -> str:
    """Return the name of a mutant's function, with module and class."""
    found = _NAME.fullmatch(name)
    assert found is not None, f"{name} is not a name of mutmut's"
    return ".".join(part for part in found.groups() if part)
