# SPDX-License-Identifier: MIT
"""Rules for all pages of the documentation. The code blocks of pages are tests of their own."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import geartrain
import geartrain.testing
from geartrain.protocol import Command
from geartrain.protocol.text import COMMANDS
from tests.docs.blocks import FENCE, LANGUAGES, NOT_RUN

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
MOST_NOT_RUN = 12  # blocks of all pages; each has a reason


def openings(text: str) -> list[re.Match[str]]:
    """Return the opening lines of the blocks of a page."""
    return list(FENCE.finditer(text))[::2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_block_has_an_executed_language_or_is_a_drawing(page: Path) -> None:
    languages = {fence["language"] for fence in openings(page.read_text())}

    assert {language for language in languages if not language.startswith("{")} <= {"", *LANGUAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_output_follows_the_block_that_prints_it(page: Path) -> None:
    languages = [fence["language"] for fence in openings(page.read_text())]

    for before, language in zip(["", *languages], languages, strict=False):
        assert language != "text" or before in ("python", "sh")


@pytest.mark.parametrize("module", [geartrain, geartrain.testing], ids=lambda module: module.__name__)
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    reference = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    described = {name.rpartition(".")[2] for name in re.findall(r"^\.\. auto\w+:: ([\w.]+)", reference, re.MULTILINE)}

    assert set(module.__all__) - {"__version__"} <= described


def test_the_number_of_blocks_that_are_not_run_is_limited() -> None:
    marks = [line for page in PAGES for line in page.read_text().splitlines() if "not run:" in line]

    assert len(marks) <= MOST_NOT_RUN
    assert all(NOT_RUN.match(mark) for mark in marks)


def test_the_page_on_the_protocol_has_every_packet_and_command() -> None:
    page = (DOCS / "topics" / "protocol.md").read_text()

    assert {command.name for command in Command if command > 0} <= set(re.findall(r"[A-Z_]+", page))
    assert "{text-command-table}" in page
    assert COMMANDS
