# SPDX-License-Identifier: MIT
"""The page of the documentation with the figures, which are written between marks and so cannot disagree with a run."""

import re
from pathlib import Path

from benchmarks.queues.environments import ROOT

__all__ = ["PAGE", "PICTURE", "fill", "read"]

PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "static" / "queues.svg"


def fill(page: Path, name: str, content: str) -> None:
    """Replace what stands between the marks of that name."""
    text = page.read_text()
    start, end = _between(text, name)
    page.write_text(f"{text[:start]}\n{content}\n{text[end:]}")


def read(page: Path, name: str) -> str:
    """Return what stands between the marks of that name."""
    text = page.read_text()
    start, end = _between(text, name)
    return text[start:end].strip("\n")


def _between(text: str, name: str) -> tuple[int, int]:
    found = re.search(rf"<!-- {name}: begin.*? -->\n(.*?)<!-- {name}: end -->", text, re.DOTALL)
    if found is None:
        raise ValueError(f"the page has no marks of the name {name}")
    return found.span(1)
