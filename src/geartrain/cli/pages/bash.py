# SPDX-License-Identifier: MIT
"""Completion for bash."""

from collections.abc import Iterator, Mapping, Sequence

from geartrain.cli.options import Option
from geartrain.cli.page import Page

__all__ = ["completion"]


def completion(page: Page, actions: Mapping[str, Page]) -> str:
    """Return the file for a command; ``actions`` are those behind its word ``store``."""
    function = f"_{page.name}"
    options = _unique(page)
    body = [
        "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}",
        "    COMPREPLY=()",
        *(_store(actions) if actions else ()),
        *_arguments(options),
        f'    COMPREPLY=($(compgen -W "{" ".join(_names(options))}" -- "$word"))',
        *(['    [[ $COMP_CWORD == 1 ]] && COMPREPLY+=($(compgen -W store -- "$word"))'] if actions else []),
    ]
    return "\n".join(
        [
            "# SPDX-License-Identifier: MIT",
            "# Made by python -m geartrain.cli.pages.",
            f"{function}() {{",
            *body,
            "}",
            f"complete -o default -F {function} {page.name}",
            "",
        ]
    )


def _store(actions: Mapping[str, Page]) -> Iterator[str]:
    yield "    if [[ ${COMP_WORDS[1]} == store && $COMP_CWORD -gt 1 ]]; then"
    yield "        case $COMP_CWORD:${COMP_WORDS[2]} in"
    yield f'            2:*) COMPREPLY=($(compgen -W "{" ".join(actions)}" -- "$word")) ;;'
    for name, page in actions.items():
        names = " ".join(_names(page.options["Options"]))
        yield f'            *:{name}) [[ $word == -* ]] && COMPREPLY=($(compgen -W "{names}" -- "$word")) ;;'
    yield "        esac"
    yield "        return"
    yield "    fi"


def _arguments(options: Sequence[Option]) -> Iterator[str]:
    """Yield the case for the argument of the option before the word."""
    yield "    case $previous in"
    for option in options:
        if option.argument:
            values = f'COMPREPLY=($(compgen -W "{" ".join(option.words)}" -- "$word")); ' if option.words else ""
            yield f"        {'|'.join(option.names)}) {values}return ;;"
    yield "    esac"


def _unique(page: Page) -> list[Option]:
    """Return the options of a page, those that stand twice once."""
    return list({tuple(option.names): option for group in page.options.values() for option in group}.values())


def _names(options: Sequence[Option]) -> list[str]:
    return [name for option in options for name in option.names]
