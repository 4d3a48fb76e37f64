# SPDX-License-Identifier: MIT
"""Plain words in every file."""

import pytest

from tests.plain_words import ROOT, faults, files


@pytest.mark.parametrize("part", ["src/", "tests/", "docs/", "examples/", "README.md", "CHANGELOG.md", "Makefile"])
def test_every_part_of_the_project_is_checked(part: str) -> None:
    assert any(path.startswith(part) for path in files())


def test_every_file_uses_plain_words() -> None:
    found = [fault for path in files() for fault in faults(path, (ROOT / path).read_text())]

    assert not found, "\n".join(found)


FAULTY = {
    "a word in code": ("a.py", "name = 'Nobody'\n"),
    "a phrase": ("a.py", "# Take note of this.\n"),
    "a docstring that opens with What": ("a.py", '"""What a job is."""\n'),
    "a later sentence": ("a.py", 'def f():\n    """Return a job.\n\n    Where there is none, fail.\n    """\n'),
    "an argument": ("a.py", 'def f(a):\n    """Do it.\n\n    Args:\n        a: Where it starts.\n    """\n'),
    "a long first line": ("a.py", f'"""Return {"one more " * 10}word."""\n'),
    "a comment over two lines": ("a.py", "a = 1  # The last one.\n# It is the first.\n# How it is used varies.\n"),
    "a paragraph": ("a.md", "The server starts.\nWho asks is told\nso.\n"),
    "a heading": ("a.md", "# How the server works\n"),
    "a cell": ("a.md", "| Name | What it does |\n"),
    "the help of a target": ("Makefile", "test: all  ## What is tested\n"),
    "a plural behind a number": ("src/a.py", 'raise Full(f"{len(jobs)} jobs")\n'),
    "a plural behind a number in the log": ("src/a.py", 'log.info("%d jobs", number)\n'),
    "a word in the name of a test": ("a.py", "def test_that_nobody_is_asked(): ...\n"),
    "a word in the name of a function": ("a.py", "def nobody_answers(): ...\n"),
    "the opening of the name of a test": ("a.py", "class Test:\n    async def test_what_is_sent(self): ...\n"),
}

PLAIN = {
    "a question": ("a.md", "## What is a job?\n\nHow fast is it? Fast.\n"),
    "a word of a name": ("a.py", "nobody_answers = 'besides_this'\n"),
    "the user of Unix": ("a.md", "```sh\nmemcached -u nobody\n```\n"),
    "a how-to page": ("a.md", "How-to pages go by goal.\n"),
    "an opening in a code block": ("a.md", "```sh\n# Where it is\n```\n"),
    "a comment for machines": ("a.md", "<!-- Where the table begins -->\n"),
    "a first line of 20 words": ("a.py", f'"""{"word " * 20}"""\n'),
    "a test whose name has one of the openings inside": ("a.py", "def test_a_client_knows_what_it_sent(): ...\n"),
    "a number with both words": ("src/a.py", "raise Full(counted(len(jobs), 'job'))\n"),
    "two comments": ("a.py", "a = 1  # A first one.\n\n# a second one: that is all\n"),
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_fault_is_found(case: str) -> None:
    assert len(faults(*FAULTY[case])) == 1


@pytest.mark.parametrize("case", PLAIN)
def test_plain_words_are_no_fault(case: str) -> None:
    assert faults(*PLAIN[case]) == []
