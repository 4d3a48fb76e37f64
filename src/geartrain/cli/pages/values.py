# SPDX-License-Identifier: MIT
"""Values of options as text, for the command line, a variable and a TOML file."""

import json
import shlex

from geartrain.server.config.option import Option

__all__ = ["in_toml", "on_command_line", "value_of"]


def value_of(option: Option) -> str:
    """Return the default of an option as its user would write it, or else its example."""
    return option.example if option.default_text else option.show(option.default) or option.example


def in_toml(option: Option, value: str | None = None) -> str:
    """Return a value in TOML: by default, the default of the option or its example."""
    text = value_of(option) if value is None else value
    if option.is_flag:
        return text or "true"
    if option.many:
        return f"[{json.dumps(text)}]"
    is_number = text.replace(".", "", 1).removeprefix("-").isdecimal()
    return text if is_number and str not in option.kind.toml[:1] else json.dumps(text)


def on_command_line(option: Option) -> str:
    """Return the example of an option as a word for a shell."""
    return f"--{option.name}" if option.is_flag else f"--{option.name} {shlex.quote(option.example)}"
