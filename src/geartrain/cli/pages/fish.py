# SPDX-License-Identifier: MIT
"""Completion for fish."""

from collections.abc import Iterator, Mapping, Sequence

from geartrain.cli.options import MAYBE, Option
from geartrain.cli.page import Page

__all__ = ["completion"]


def completion(page: Page, actions: Mapping[str, Page]) -> str:
    """Return the file for a command; ``actions`` are those behind its word ``store``."""
    options = [option for group in page.options.values() for option in group]
    lines = ["# SPDX-License-Identifier: MIT", "# Made by python -m geartrain.cli.pages."]
    if not any("JOB" in form for form in page.usage):
        lines.append(f"complete -c {page.name} -f")  # no word but an argument of an option is a file
    if not actions:
        return "\n".join([*lines, *_lines(page.name, options), ""])
    lines += _lines(page.name, options, "not __fish_seen_subcommand_from store")
    lines.append(f"complete -c {page.name} -n __fish_use_subcommand -a store -d 'inspect a store, or move jobs'")
    inside = "__fish_seen_subcommand_from store"
    outside = f"not __fish_seen_subcommand_from {' '.join(actions)}"
    for name, action in actions.items():
        text = _quoted(action.summary)
        lines.append(f"complete -c {page.name} -n '{inside}; and {outside}' -a {name} -d {text}")
        condition = f"{inside}; and __fish_seen_subcommand_from {name}"
        lines.append(f"complete -c {page.name} -F -n '{condition}'")
        lines += _lines(page.name, action.options["Options"], condition)
    return "\n".join([*lines, ""])


def _lines(command: str, options: Sequence[Option], condition: str = "") -> Iterator[str]:
    seen: set[tuple[str, ...]] = set()
    for option in options:
        names = tuple(option.names)
        if names in seen:
            continue
        seen.add(names)
        words = [f"complete -c {command}"]
        if condition:
            words.append(f"-n '{condition}'")
        words += [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in names]
        if option.argument and option.takes != MAYBE:
            words.append("-r" if option.files else "-x")
        if option.words:
            words.append(f"-a {_quoted(' '.join(option.words))}")
        yield " ".join([*words, "-d", _quoted(option.help)])
        if option.words and option.takes == MAYBE:  # fish itself knows such an argument only behind an equals sign
            previous = f"__fish_prev_arg_in {' '.join(names)}"
            yield f"complete -c {command} -n '{previous}' -a {_quoted(' '.join(option.words))}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
