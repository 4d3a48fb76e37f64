# SPDX-License-Identifier: MIT
"""A check of comments, docstrings, prose and the names of tests against a list of words and sentence openings.

``python -m tests.plain_words`` lists the faults of all files.

- The words are wrong anywhere in a file, code included: there is always a plainer one.
- A sentence, table cell or description of an argument does not open with *What, Who, Whoever, How, Where* or *Whether*,
  unless it is a question.
- The first line of a docstring has at most 20 words.
- The name of a function has none of the words, and that of a test no such opening either.
- A message does not put the plural behind a number, which may be 1: ``geartrain.wording.counted`` knows both words.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "faults", "files"]

ROOT = Path(__file__).parents[1]
LONGEST_SUMMARY = 20  # words

_FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", "packaging")
_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "pyproject.toml", "setup.py")
_TEXTS = {"", ".c", ".md", ".php", ".pl", ".py", ".pyi", ".service", ".socket", ".toml"}
# Programs of other people, taken as they are, and the files that have to name the words.
_EXEMPT = ("tests/python_gearman/programs/", "tests/plain_words", "tests/test_plain_words.py")

_WORDS = re.compile(
    r"\b(nobody|somebody|whoever|whatever|anew|besides|lest|upon|in good form|in haste"
    r"|(?:take|takes|taken|taking|took) note|(?:be|been) had|(?:tell|tells|telling|told) of)\b",
    re.IGNORECASE,
)
_UNIX_USER = re.compile(r"(?:-u|--user|User=|USER) ?nobody|nobody:nogroup")
_COUNT = re.compile(r"\{len\([^{}]*\)\} (?:more )?[a-z]+s\b|%d [a-z]+s\b")
_FUNCTION = re.compile(r" *(?:async )?def (?P<test>test_)?(?P<name>\w+)")
_OPENING = re.compile(r"(?:What|Who|Whoever|How|Where|Whether)\b(?![-'])")
# A sentence begins behind the end of another one, or behind the name of an argument in a docstring.
_SENTENCE = re.compile(r"(?:^|(?<=[.!?:] ))(?=[A-Z])(?:[^.!?]|[.!?](?!\s|$))*[.!?]?")
_MARKUP = re.compile(r"^[\s>#*+|-]*(?:\d+\. )?")
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r"^ *(```|~~~).*?^ *\1$", re.DOTALL | re.MULTILINE)


def files() -> list[str]:
    """Return the paths of the files that are checked, relative to the project's folder."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "--", *_FOLDERS, *_PAGES],
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        path
        for path in listed.stdout.splitlines()
        if Path(path).suffix in _TEXTS and not path.startswith(_EXEMPT) and (ROOT / path).is_file()
    ]


def faults(path: str, text: str) -> list[str]:
    """Return the faults of a file, each with its line."""
    found = list(_words(text))
    if path.startswith("src/"):
        found += _counts(text)
    if Path(path).suffix in (".py", ".pyi"):
        found += [*_docstrings(text), *_comments(text), *_names(text)]
    elif Path(path).suffix == ".md":
        found += _prose(text)
    elif Path(path).name == "Makefile":
        found += [fault for line, said in _help(text) for fault in _openings(line, said)]
    return [f"{path}:{line}: {fault}" for line, fault in sorted(found)]


def _words(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for word in _WORDS.finditer(_UNIX_USER.sub("", line)):
            yield number, f"the word {word[0].lower()!r}"


def _counts(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for count in _COUNT.finditer(line):
            yield number, f"the plural in {count[0]!r}; use `counted`"


def _openings(line: int, said: str) -> Iterator[tuple[int, str]]:
    """Yield the sentences of a paragraph that open with one of the words, and are no questions."""
    for sentence in _SENTENCE.finditer(" ".join(said.split())):
        words = sentence[0].lstrip("*_`[( ")
        if _OPENING.match(words) and not words.rstrip("*_`)] ").endswith("?"):
            yield line, f"a sentence that opens with {words[:40]!r}"


def _docstrings(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        said = ast.get_docstring(node)
        if said is None:
            continue
        line = node.body[0].lineno
        summary = said.partition("\n\n")[0]
        if len(summary.split()) > LONGEST_SUMMARY:
            yield line, f"a first line of {len(summary.split())} words, of which {LONGEST_SUMMARY} are allowed"
        for paragraph in _paragraphs(said):
            yield from _openings(line, paragraph)


def _paragraphs(docstring: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring; the description of each argument is one of its own."""
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*] |``?\w+``?:|\w+: ))", docstring):
        yield _MARKUP.sub("", paragraph)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield the faults of comments, those of neighbouring lines being one text."""
    said, first, last = "", 0, -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        words = token.string.lstrip("#! ")
        if token.start[0] != last + 1:
            yield from _openings(first, said)
            said, first = "", token.start[0]
        said, last = f"{said} {words}".strip(), token.start[0]
    yield from _openings(first, said)


def _names(text: str) -> Iterator[tuple[int, str]]:
    """Yield the faults of the names of functions, and of the openings of those of tests."""
    for number, line in enumerate(text.splitlines(), 1):
        if (found := _FUNCTION.match(line)) is not None:
            said = found["name"].replace("_", " ")
            yield from ((number, f"the word {word[0]!r} in the name of a function") for word in _WORDS.finditer(said))
            if found["test"] and _OPENING.match(said.capitalize()):
                yield number, f"the name of a test that opens with {said[:40]!r}"


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the faults of Markdown: paragraphs, headings, items of lists and cells of tables."""
    blank = lambda found: re.sub(r"[^\n]", "", found[0])  # noqa: E731  # lines keep their numbers
    said, first = "", 0
    for number, line in enumerate(_FENCE.sub(blank, _HTML_COMMENT.sub(blank, text)).splitlines(), 1):
        if not line.strip() or re.match(r"\s*(?:[-*+>#|]|\d+\. )", line):
            yield from _openings(first, said)
            said, first = "", number
        if line.lstrip().startswith("|"):
            for cell in line.strip().strip("|").split("|"):
                yield from _openings(number, cell.strip())
        elif line.strip():
            said, first = f"{said} {_MARKUP.sub('', line)}".strip(), first or number
    yield from _openings(first, said)


def _help(text: str) -> Iterator[tuple[int, str]]:
    """Yield the help of the targets of a Makefile, and its comments."""
    for number, line in enumerate(text.splitlines(), 1):
        if (found := re.search(r"(?:^|\s)##? (.+)$", line)) is not None:
            yield number, found[1]


def main() -> int:
    """List all faults."""
    found = [fault for path in files() for fault in faults(path, (ROOT / path).read_text())]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
