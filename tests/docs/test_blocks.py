# SPDX-License-Identifier: MIT
"""The execution of blocks: right pages pass, and wrong ones fail."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sybil import Document

from tests.docs.blocks import Blocks
from tests.docs.page import begin, end


@pytest.fixture
def execute(tmp_path: Path) -> Callable[[str], None]:
    """Return a function that executes a page."""

    def execute(text: str) -> None:
        page = tmp_path / "page.md"
        page.write_text(text)
        document = Document.parse(str(page), Blocks())
        begin(document.namespace)
        try:
            for example in document.examples():
                example.evaluate()
        finally:
            end(document.namespace)

    return execute


def fenced(*blocks: tuple[str, str]) -> str:
    return "\n".join(f"```{language}\n{code}\n```\n" for language, code in blocks)


GOOD = {
    "python prints": fenced(("python", "print(1)"), ("text", "1")),
    "python keeps its names": fenced(("python", "a = 1"), ("python", "print(a)"), ("text", "1")),
    "shell prints": fenced(("sh", "echo one\necho two"), ("text", "one\ntwo")),
    "shell keeps its variables": fenced(("sh", "a=1"), ("sh", "echo $a"), ("text", "1")),
    "a file is run": fenced(("python", "# a.py\nprint(1)"), ("sh", "python a.py"), ("text", "1")),
    "an ellipsis in a line": fenced(("sh", "echo one two three"), ("text", "one … three")),
    "an ellipsis for lines": fenced(("sh", "seq 9"), ("text", "1\n…\n9")),
    "gaps of any width": fenced(("sh", "printf 'a\\tb\\n'"), ("text", "a   b")),
    "a server is there": fenced(("sh", "gearadmin --status"), ("text", ".")),
    "a server of the page's own": fenced(
        ("sh", "# in another terminal\ngearmand --port 4731"), ("sh", "gearadmin --port 4731 --status"), ("text", ".")
    ),
    "not run": "<!-- not run: it would end badly -->\n" + fenced(("sh", "exit 1")),
}

BAD = {
    "python raises": fenced(("python", "1 / 0")),
    "python prints something else": fenced(("python", "print(1)"), ("text", "2")),
    "a line is missing": fenced(("sh", "seq 3"), ("text", "1\n2")),
    "a line too many": fenced(("sh", "seq 2"), ("text", "1\n2\n3")),
    "shell fails": fenced(("sh", "false\ntrue")),
    "shell fails later": fenced(("sh", "true"), ("sh", "exit 3")),
    "the file is not there": fenced(("sh", "python b.py")),
    "wrong syntax": "<!-- not run: it is wrong -->\n" + fenced(("python", "1 +")),
    "wrong syntax in shell": "<!-- not run: it is wrong -->\n" + fenced(("sh", "if then")),
    "wrong TOML": fenced(("toml", "a = = 1")),
    "a program without a name": fenced(("perl", "print 1;")),
}


@pytest.mark.parametrize("page", GOOD)
def test_a_right_page_passes(page: str, execute: Callable[[str], None]) -> None:
    execute(GOOD[page])


@pytest.mark.parametrize("page", BAD)
def test_a_wrong_page_fails(page: str, execute: Callable[[str], None]) -> None:
    with pytest.raises((AssertionError, ArithmeticError, SyntaxError, ValueError)):
        execute(BAD[page])
