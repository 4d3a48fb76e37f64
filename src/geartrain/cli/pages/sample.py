# SPDX-License-Identifier: MIT
"""The sample configuration: every option with an explanation, commented out, with its default or an example."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from geartrain.cli.pages.values import in_toml
from geartrain.server.config.option import Group, Option

__all__ = ["sample"]

_WIDTH = 100

_BEGINNING = """\
# SPDX-License-Identifier: MIT
# All options of gearmand, commented out. Copy this file to /etc/geartrain/gearmand.toml, or name it with --config-file,
# and uncomment the lines that you need. The values are the defaults, or examples if there is no default. The command
# line and GEARMAND_ variables override this file. Check it with: gearmand --config-file FILE --check-args
#
# Made by python -m geartrain.cli.pages.
"""

_END = """\

# Access rules are tables after all options. Without rules, every peer may do everything.
#
# [[access]]
# address = ["10.0.0.0/8", "local"]
# functions = ["email:*", "report"]
# may = ["submit", "work", "admin"]
"""


def sample(groups: Mapping[Group, Sequence[Option]]) -> str:
    """Return the text of the file."""
    return "\n".join([_BEGINNING, *_lines(groups)]) + _END


def _lines(groups: Mapping[Group, Sequence[Option]]) -> Iterator[str]:
    for group, options in groups.items():
        if group is Group.GENERAL:
            continue
        yield f"# ---- {group.value} ".ljust(_WIDTH, "-")
        yield ""
        for option in options:
            yield from _comment(f"{option.help[0].upper()}{option.help[1:]}. {option.details}".rstrip())
            yield f"#{option.name} = {in_toml(option)}"
            yield ""


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False, break_long_words=False
    )
