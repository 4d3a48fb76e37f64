# SPDX-License-Identifier: MIT
"""The text of ``gearmand --help``, made from the declarations of the options."""

import textwrap
from collections.abc import Iterator

from geartrain.server.config.option import Group, Option
from geartrain.server.config.sources import DEFAULT_FILES
from geartrain.server.options import COMMANDS, OPTIONS

__all__ = ["help_text"]

_WIDTH = 100
_COLUMN = 34  # where the explanations begin

_BEGINNING = """\
Usage: gearmand [option ...]

A Gearman job server: clients submit jobs to it, and workers grab them from it.
Without options it listens on port 4730 of all addresses and stays in the foreground.
"""

_END = f"""\
Every option can also be set by a variable, GEARMAND_PORT=4731 for --port, and in a file:
--config-file, or else the first of {" and ".join(DEFAULT_FILES)} that exists.
The command line wins over variables, they win over the file.

TERM and INT stop the server, USR1 stops it when no jobs are left, HUP reopens its log and
reloads limits, rules of access and TLS certificates.

gearmand store --help explains how to list the jobs in a store, and how to move them.
"""


def help_text() -> str:
    """Return the help."""
    parts = [_BEGINNING]
    for group in Group:
        lines = [
            line
            for option in (*COMMANDS.values(), *OPTIONS.values())
            if option.group is group
            for line in _explain(option)
        ]
        parts.append("\n".join([f"{group.value}:", *lines, ""]))
    parts.append(_END)
    return "\n".join(parts)


def _explain(option: Option) -> Iterator[str]:
    names = f"-{option.short}, --{option.name}" if option.short else f"    --{option.name}"
    left = f"  {names} {option.kind.metavar}".rstrip()
    default = option.show(option.default)
    text = f"{option.help} [{default}]" if default else option.help
    lines = textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(left) >= _COLUMN:
        yield left
        left = ""
    for line in lines:
        yield f"{left:<{_COLUMN}}{line}"
        left = ""
