# SPDX-License-Identifier: MIT
"""Generated parts of pages, between marks."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["ROOT", "fill", "read", "table"]

ROOT = Path(__file__).parents[1]


def fill(page: Path, name: str, content: str) -> None:
    """Replace the text between the marks of a name."""
    text = page.read_text()
    start, end = _between(text, name)
    page.write_text(f"{text[:start]}\n{content}\n{text[end:]}")


def read(page: Path, name: str) -> str:
    """Return the text between the marks of a name."""
    text = page.read_text()
    start, end = _between(text, name)
    return text[start:end].strip("\n")


def _between(text: str, name: str) -> tuple[int, int]:
    found = re.search(rf"<!-- {name}: begin.*? -->\n(.*?)<!-- {name}: end -->", text, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no marks of the name {name}")
    return found.span(1)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Format a table in Markdown: the first columns are words, the others numbers."""
    rules = ["---" if column < words else "---:" for column in range(len(titles))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [titles, rules, *rows])
