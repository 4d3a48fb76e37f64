# SPDX-License-Identifier: MIT
"""Man pages, in the macros of man(7)."""

import re
from collections.abc import Iterator

from geartrain._version import __version__
from geartrain.cli.options import Option
from geartrain.cli.page import Page, argument_of, blocks

__all__ = ["man_page"]

_BOOKS = {1: "User Commands", 8: "System Administration"}
_SEE_ALSO = ("gearman(1)", "gearadmin(1)", "gearmand(8)", "gearmand-store(8)")


def man_page(page: Page) -> str:
    """Return the source of a man page."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    name = page.name.replace(" ", "-")
    yield '.\\" SPDX-License-Identifier: MIT'
    yield '.\\" Made by python -m geartrain.cli.pages.'
    yield f'.TH {name.upper()} {page.number} "" "Geartrain {__version__}" "{_BOOKS[page.number]}"'
    yield ".SH NAME"
    yield f"{_escape(name)} \\- {_escape(page.summary)}"
    yield ".SH SYNOPSIS"
    for form in page.usage:
        yield f".B {_escape(page.name)}"
        yield _text(form)
        yield ".br"
    yield ".SH DESCRIPTION"
    yield from _flow(page.introduction)
    yield ".SH OPTIONS"
    for title, options in page.options.items():
        yield f".SS {_escape(title)}"
        for option in options:
            yield from _option(option)
    for title, text in page.sections.items():
        yield f".SH {_escape(title.upper())}"
        yield from _flow(text)
    yield ".SH SEE ALSO"
    yield _text(", ".join(each for each in _SEE_ALSO if each != f"{name}({page.number})"))


def _option(option: Option) -> Iterator[str]:
    argument = argument_of(option)
    yield ".TP"
    yield f"\\fB{', '.join(map(_escape, option.names))}\\fR" + (f" \\fI{_escape(argument)}\\fR" if argument else "")
    yield _text(f"{option.help[0].upper()}{option.help[1:]}. {option.details}".rstrip())


def _flow(text: str) -> Iterator[str]:
    """Yield paragraphs, and lines that are shown as they are."""
    for number, (flows, block) in enumerate(blocks(text)):
        if flows:
            if number:
                yield ".PP"
            yield _text(" ".join(block.split()))
        else:
            yield ".PP"
            yield ".nf"
            yield from (_text(line.removeprefix("  ")) for line in block.splitlines())
            yield ".fi"


def _text(line: str) -> str:
    """Return a line of text that is no request, also if it begins with a dot or an apostrophe."""
    escaped = _escape(line)
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _escape(text: str) -> str:
    """Return text with backslashes shown, and with dashes that can be copied from the page."""
    return re.sub(r"-", r"\\-", text.replace("\\", r"\e"))
