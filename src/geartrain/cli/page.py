# SPDX-License-Identifier: MIT
"""Pages of the manual: a command with its options and sections, and its ``--help`` as text."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from geartrain.cli.options import MAYBE, Option

__all__ = ["Page", "argument_of", "blocks", "help_text"]

_WIDTH = 100
_COLUMN = 34  # where the explanations begin


class Page:
    """The description of a command.

    Args:
        name: The command, such as ``gearman`` or ``gearmand store``.
        summary: One line without a full stop, as a list of commands shows it.
        usage: The words behind the name, one string for each form of the command.
        introduction: Paragraphs, and blocks of two spaces' indentation that are shown as they are.
        options: The options under their titles.
        sections: Further titles with their text, in the same form as the introduction.
        number: The section of the manual: 1 for commands of users, 8 for those of administrators.
    """

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        usage: Sequence[str],
        introduction: str,
        options: Mapping[str, Sequence[Option]],
        sections: Mapping[str, str],
        number: int = 1,
    ) -> None:
        self.name = name
        self.summary = summary
        self.usage = usage
        self.introduction = introduction
        self.options = options
        self.sections = sections
        self.number = number


def help_text(page: Page) -> str:
    """Return the text of ``--help``."""
    usage = "\n       ".join(f"{page.name} {form}".rstrip() for form in page.usage)
    parts = [f"Usage: {usage}\n", _filled(page.introduction)]
    for title, options in page.options.items():
        lines = [line for option in options for line in _explain(option)]
        parts.append("\n".join([f"{title}:", *lines, ""]))
    parts += [f"{title}:\n{_filled(text)}" for title, text in page.sections.items()]
    return "\n".join(parts)


def blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the blocks between empty lines: True for a paragraph, False for lines to show as they are."""
    for block in text.strip("\n").split("\n\n"):
        yield not block.startswith("  "), block


def _filled(text: str) -> str:
    shown = [textwrap.fill(block, _WIDTH, break_on_hyphens=False) if flows else block for flows, block in blocks(text)]
    return "\n\n".join(shown) + "\n"


def argument_of(option: Option) -> str:
    """Return the argument of an option as a synopsis shows it."""
    return f"[{option.argument}]" if option.takes == MAYBE else option.argument


def _explain(option: Option) -> Iterator[str]:
    """Yield the lines of an option: its names on the left, the explanation on the right."""
    letters = [name for name in option.names if not name.startswith("--")]
    names = ", ".join(option.names)
    left = f"  {names if letters else f'    {names}'} {argument_of(option)}".rstrip()
    lines = textwrap.wrap(option.help, _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(left) >= _COLUMN:
        yield left
        left = ""
    for line in lines:
        yield f"{left:<{_COLUMN}}{line}"
        left = ""
