# SPDX-License-Identifier: MIT
"""Numbers in messages, and messages without a plural behind 1."""

import re
from pathlib import Path

import pytest

from geartrain.wording import counted

SOURCE = Path(__file__).parents[1] / "src" / "geartrain"
PARTS = ("cli", "core", "reactor", "server")

# A number that is not fixed, a word or two, and the last one in the plural: "%d jobs", "{count} running jobs".
_NOUNS = "jobs|workers|functions|schedules|seconds|attempts|times|peers|changes|errors"
_PLURAL = re.compile(rf"(?:%[dg]|\{{[a-z_][^{{}}\"']*\}})(?: [a-z]+)? (?:{_NOUNS})\b")
# The first takes a number of seconds that never is 1, and the other one a place.
_FIXED = ("within %g seconds", "{shown} has jobs")


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (1_000_000, "1000000 jobs"), (0.5, "0.5 jobs"), (1.0, "1 job")],
)
def test_only_one_is_singular(number: float, said: str) -> None:
    assert counted(number, "job") == said


@pytest.mark.parametrize(("number", "said"), [(1, "1 job waits"), (3, "3 jobs wait")])
def test_words_may_have_a_plural_of_their_own(number: int, said: str) -> None:
    assert counted(number, "job waits", "jobs wait") == said


@pytest.mark.parametrize("part", PARTS)
def test_no_message_has_a_plural_behind_any_number(part: str) -> None:
    found = [
        f"{path.name}: {match[0]}"
        for path in sorted((SOURCE / part).rglob("*.py"))
        for line in path.read_text().splitlines()
        if not any(fixed in line for fixed in _FIXED)
        for match in _PLURAL.finditer(line)
    ]

    assert found == []


def test_no_message_sends_people_to_an_extra_of_a_package_that_no_index_has() -> None:
    """A message names the missing library itself: ``pip install msgspec``, and not an extra of this package."""
    root = SOURCE.parents[1]
    pages = [
        root / "README.md",
        *(root / "docs").rglob("*.md"),
        *(root / "examples").rglob("*.py"),
        *(root / "examples").rglob("*.md"),
    ]
    extra = "geartrain" + "["

    found = [path.name for path in (*SOURCE.rglob("*.py"), *pages) if path.is_file() and extra in path.read_text()]

    assert found == []
