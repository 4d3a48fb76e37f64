# SPDX-License-Identifier: MIT
"""The page of the documentation about the options of gearmand: a paragraph, an example and an anchor for each."""

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from geartrain.cli.pages.values import in_toml, on_command_line
from geartrain.server.config.option import Group, Option, reloadable_fields
from geartrain.server.options import COMMANDS, GearmandOptions

__all__ = ["reference"]

_WIDTH = 120
_SPACE = "\N{NULL}"  # in place of one where no line may end
# Options, paths and URLs within a sentence, without its punctuation.
_CODE = re.compile(r"(?<![\w/-])(?:--?[a-z][\w-]*|(?:[A-Za-z]+:)?[/~$][\w/~.$:@-]*[\w/])(?![\w/])")

_BEGINNING = """\
<!-- Made by python -m geartrain.cli.pages. -->
# Options of gearmand

Every option can be set on the command line, by an environment variable, and in a TOML file. The command line overrides
variables, variables override the file, and the file overrides the defaults. The file `packaging/gearmand.toml` has all
options, commented out.

The server reads the file of `--config-file`, or else the first of `/etc/geartrain/gearmand.toml` and
`/etc/gearmand.conf` that exists. A file whose name does not end in `.toml` has options as on the command line, like the
files of the C server. `gearmand --check-args` checks all sources.

On SIGHUP, the server reads the options again. Options marked *reloaded by SIGHUP* change in the running server; others
need a restart.
"""


def reference(groups: Mapping[Group, Sequence[Option]]) -> str:
    """Return the page in Markdown."""
    return "\n".join([_BEGINNING, *_lines(groups)])


def _lines(groups: Mapping[Group, Sequence[Option]]) -> Iterator[str]:
    reloadable = reloadable_fields(GearmandOptions)
    for group, options in groups.items():
        yield f"## {group.value}"
        yield ""
        for option in options:
            yield f"(option-{option.name})="
            yield f"### `--{option.name}`" + (f", `-{option.short}`" if option.short else "")
            yield ""
            yield from _wrapped(_marked(f"{option.help[0].upper()}{option.help[1:]}. {option.details}".rstrip()))
            yield ""
            if option.name not in COMMANDS:
                yield from _wrapped(_facts(option, is_reloaded=option.attribute in reloadable))
            elif option.example:
                yield from _wrapped(f"Example: `{on_command_line(option)}`.")
            else:
                yield f"Example: `gearmand --{option.name}`."
            yield ""


def _facts(option: Option, *, is_reloaded: bool) -> str:
    example = "1" if option.is_flag else option.example
    forms = [
        on_command_line(option),
        f"{option.variables[0]}={shlex.quote(example)}",
        f"{option.name} = {in_toml(option, option.example)}",
    ]
    default = option.shown_default
    parts = [f"Example: {', '.join(f'`{form}`' for form in forms)}."]
    if len(option.variables) > 1:
        parts.append(f"Also by the variable `{option.variables[1]}`.")
    shown = default if option.default_text else f"`{default}`" if default else "off" if option.is_flag else "none"
    parts.append(f"Default: {_marked(shown) if option.default_text else shown}.")
    if is_reloaded:
        parts.append("*Reloaded by SIGHUP.*")
    return " ".join(parts)


def _wrapped(text: str) -> Iterator[str]:
    """Yield the lines of a paragraph, without a break inside of code."""
    whole = re.sub("`[^`]*`", lambda found: found[0].replace(" ", _SPACE), text)
    for line in textwrap.wrap(whole, _WIDTH, break_on_hyphens=False, break_long_words=False):
        yield line.replace(_SPACE, " ")


def _marked(text: str) -> str:
    """Return text with options, paths and URLs as code, in which dashes stay dashes."""
    return _CODE.sub(lambda found: f"`{found[0]}`", text)
