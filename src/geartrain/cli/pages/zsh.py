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
        *_arguments(options, _words(page, actions)),
        "",
    ]
    return "\n".join(lines)


def _words(page: Page, actions: Mapping[str, Page]) -> str:
    """Return the specification of the words that are no options, or nothing if the command takes none."""
    if actions:
        return "'1:command:(store)'"
    return "'*:text:_files'" if any("JOB" in form for form in page.usage) else ""


def _arguments(options: Sequence[Option], words: str, indent: str = "") -> Iterator[str]:
    *first, last = [*_specifications(options), *([words] if words else [])]
    yield f"{indent}_arguments -s \\"
    yield from (f"{indent}    {each} \\" for each in first)
    yield f"{indent}    {last}"


def _store(actions: Mapping[str, Page]) -> Iterator[str]:
    yield "if [[ $words[2] == store && $CURRENT -gt 2 ]]; then"
    yield "    if [[ $CURRENT == 3 ]]; then"
    yield f"        _values action {' '.join(_quoted(f'{name}[{page.summary}]') for name, page in actions.items())}"
    yield "        return"
    yield "    fi"
    yield "    shift 2 words"
    yield "    (( CURRENT -= 2 ))"
    yield "    case $words[1] in"
    for name, page in actions.items():
        yield f"        {name})"
        yield from _arguments(page.options["Options"], "'*:store:_files'", " " * 12)
        yield "            ;;"
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
                yield _quoted(f"{star}{name}[{explanation}]{_argument(option)}")


def _argument(option: Option) -> str:
    if not option.argument:
        return ""
    action = f"({' '.join(option.words)})" if option.words else "_files" if option.files else ""
    name = option.argument.replace(":", r"\:").lower()
    return f"{'::' if option.takes == MAYBE else ':'}{name}:{action}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
