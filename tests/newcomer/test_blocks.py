# SPDX-License-Identifier: MIT
"""The README as `make test-readme` reads it: each block has a step, in the order of the page."""

import re

import pytest

from tests.newcomer.blocks import README, STEPS, blocks, step_of
from tests.newcomer.firsthour import FirstHour

TEXT = README.read_text()


def test_each_block_of_the_readme_has_a_step_and_each_step_a_block() -> None:
    found = list(blocks(TEXT))

    assert [f"README.md:{block.line}" for block in found if step_of(block) is None] == []
    assert [step_of(block) for block in found] == list(STEPS.values())
    assert [step for step in STEPS.values() if not hasattr(FirstHour, step)] == []


def test_no_block_is_missed() -> None:
    fences = re.findall(r"^```(?!text$)\w+$", TEXT, re.MULTILINE)
    indented = re.findall(r"\n\n    (?! )", TEXT)

    assert len(list(blocks(TEXT))) == len(fences) + len(indented)


@pytest.mark.parametrize(
    "command",
    [
        ". .venv/bin/activate",
        "python worker.py",
        "python client.py",
        "apt install php-gearman libgearman-client-perl",
        "python -m pip install .",
        "gearmand --version",
        "python -m geartrain",
    ],
)
def test_the_commands_between_the_blocks_are_those_that_are_run(command: str) -> None:
    assert f"`{command}`" in TEXT


def test_comments_are_no_commands() -> None:
    [block] = blocks("Text:\n\n    make demo     # start\n    # all of it\n    make test\n\nMore.\n")

    assert (block.line, block.commands, block.file) == (3, ["make demo", "make test"], None)
