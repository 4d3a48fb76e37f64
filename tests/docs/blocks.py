# SPDX-License-Identifier: MIT
"""Execution of the code blocks on a page of the documentation, by language.

- A block whose first line is a comment with a file name is written to that file.
- Python without a file name is executed in this process, with the names of the Python blocks above it.
- Shell blocks are typed in one terminal of the page, so that they share their state. With ``# in another terminal`` as
  the first line, a block is typed in a terminal of its own, and keeps running.
- PHP and Perl blocks must have a file name; the shell runs them.
- A text block is the output of the block before it. An ellipsis stands for any text in a line, or for any lines.
- TOML, INI and JSON must be valid.
- A block after ``<!-- not run: the reason -->`` is only checked for syntax.
"""

import configparser
import contextlib
import io
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator

from sybil import Document, Example, Region
from sybil.parsers.markdown import CodeBlockParser

from tests.docs.page import Page
from tests.job_servers import needs

__all__ = ["FENCE", "LANGUAGES", "NOT_RUN", "Blocks"]

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)$", re.MULTILINE)
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]*\S) -->\s*\Z")

_FILE = re.compile(r"\A(?:<\?php\n)?(?:#|//) (\S+\.\w+)$", re.MULTILINE)
_ELSEWHERE = re.compile(r"\A# in another terminal\b")
_STARTS_SERVERS = re.compile(r"^```sh\n(?:[^`]*\n)?gearmand\b", re.MULTILINE)
_PROGRAMS = {"php": "/usr/bin/php", "perl": "/usr/bin/perl", "openssl": "/usr/bin/openssl"}


class Blocks:
    """The parser of pages for Sybil."""

    def __call__(self, document: Document) -> Iterator[Region]:
        """Yield the blocks that are executed."""
        for language in LANGUAGES:
            yield from CodeBlockParser(language, execute)(document)


def execute(example: Example) -> None:
    """Execute a block."""
    if example.namespace["page"] is None:
        example.namespace["page"] = Page(starts_servers=bool(_STARTS_SERVERS.search(example.document.text)))
    page: Page = example.namespace["page"]
    language = example.region.lexemes["arguments"]
    code = page.localised(example.parsed)
    if NOT_RUN.search(example.document.text[: example.start]):
        _check(page, language, code)
        return
    name = _FILE.match(code)
    if name is not None:
        _check(page, language, code)
        (page.folder / name[1]).write_text(code)
    else:
        LANGUAGES[language](page, code, example)


def _python(page: Page, code: str, example: Example) -> None:
    padding = "\n" * (example.line + example.parsed.line_offset)  # so that tracebacks have the line numbers of the page
    printed = io.StringIO()
    with page.entered(), contextlib.redirect_stdout(printed):
        exec(compile(padding + code, example.path, "exec", dont_inherit=True), page.names)  # noqa: S102  # our own
    page.printed = printed.getvalue()


def _shell(page: Page, code: str, example: Example) -> None:
    for command, program in _PROGRAMS.items():
        if re.search(rf"^{command} ", code, re.MULTILINE):
            needs(program)
    if _ELSEWHERE.match(code):
        page.start(code)
    else:
        page.run(code)


def _program(page: Page, code: str, example: Example) -> None:
    raise AssertionError(f"line {example.line}: a program begins with a comment that names its file")


def _output(page: Page, expected: str, example: Example) -> None:
    said, pattern = _words(page.printed), _pattern(expected)
    assert re.fullmatch(pattern, said), f"line {example.line} expects:\n{expected}\nthe output was:\n{page.printed}"


def _words(text: str) -> str:
    """Return a text with single spaces, and without spaces at the ends of lines."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _pattern(expected: str) -> str:
    lines = (
        r"[\s\S]*" if line == "…" else re.escape(line).replace("…", r"[^\n]*") for line in _words(expected).splitlines()
    )
    return "\n".join(lines)


def _check(page: Page, language: str, code: str) -> None:
    """Check the syntax of a block."""
    if language == "python":
        compile(code, "the block", "exec")
    elif language in _COMMANDS:
        program, *options = _COMMANDS[language]
        done = subprocess.run([needs(program), *options], input=code, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr + done.stdout
    elif language in _READERS:
        _READERS[language](code)


_COMMANDS = {"sh": ("/bin/sh", "-n"), "php": ("/usr/bin/php", "-l"), "perl": ("/usr/bin/perl", "-c")}
_READERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "ini": configparser.ConfigParser(strict=False).read_string,
}


def _well_formed(page: Page, code: str, example: Example) -> None:
    _READERS[example.region.lexemes["arguments"]](code)


LANGUAGES: dict[str, Callable[[Page, str, Example], None]] = {
    "python": _python,
    "sh": _shell,
    "php": _program,
    "perl": _program,
    "text": _output,
    "toml": _well_formed,
    "ini": _well_formed,
    "json": _well_formed,
}
