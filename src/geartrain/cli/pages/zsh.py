# SPDX-License-Identifier: MIT
"""Completion for zsh."""

from collections.abc import Iterator, Mapping, Sequence

from geartrain.cli.options import MAYBE, Option
from geartrain.cli.page import Page

__all__ = ["completion"]


def completion(page: Page, actions: Mapping[str, Page]) -> str:
    """Return the file for a command; ``actions`` are those behind its word ``store``."""
    options = [option for group in page.options.values() for option in group]
    lines = [
        f"#compdef {page.name}",
        "# SPDX-License-Identifier: MIT",
        "# Made by python -m geartrain.cli.pages.",
        *(_store(actions) if actions else ()),
        "_arguments -s \\",
        *_specifications(options),
        "    '*:: :_default'",
        "",
    ]
    return "\n".join(lines)


def _store(actions: Mapping[str, Page]) -> Iterator[str]:
    yield "if [[ $words[2] == store && $CURRENT -gt 2 ]]; then"
    yield "    if [[ $CURRENT == 3 ]]; then"
    yield f"        _values action {' '.join(_quoted(f'{name}[{page.summary}]') for name, page in actions.items())}"
    yield "        return"
    yield "    fi"
    yield "    case $words[3] in"
    for name, page in actions.items():
        yield f"        {name})"
        yield "            _arguments -s \\"
        yield from (f"        {line}" for line in _specifications(page.options["Options"]))
        yield "                '*:: :_default' ;;"
    yield "    esac"
    yield "    return"
    yield "fi"


def _specifications(options: Sequence[Option]) -> Iterator[str]:
    """Yield the words of ``_arguments``, one for each name of an option."""
    seen: set[str] = set()
    for option in options:
        explanation = option.help.replace("[", "(").replace("]", ")").replace(":", r"\:")
        for name in option.names:
            if name not in seen:
                seen.add(name)
                star = "*" if option.many else ""
                yield f"    {_quoted(f'{star}{name}[{explanation}]{_argument(option)}')} \\"


def _argument(option: Option) -> str:
    if not option.argument:
        return ""
    action = f"({' '.join(option.words)})" if option.words else "_files" if option.files else ""
    name = option.argument.replace(":", r"\:").lower()
    return f"{'::' if option.takes == MAYBE else ':'}{name}:{action}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
