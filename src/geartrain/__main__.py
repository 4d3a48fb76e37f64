# SPDX-License-Identifier: MIT
"""``python -m geartrain``: the commands, for when they are not on the path."""

import importlib
import sys

from geartrain._version import __version__
from geartrain.errors import UnsupportedPlatform
from geartrain.wording import did_you_mean

__all__ = ["gearmand", "main"]

COMMANDS = {
    "gearmand": "run a job server",
    "gearman": "submit jobs from the shell, or run a worker",
    "gearadmin": "query and control a job server",
}

_USAGE = "\n".join(
    ["Usage: python -m geartrain COMMAND [option ...]", "", "Commands (each has --help and --version):"]
    + [f"  {command:<12}{text}" for command, text in COMMANDS.items()]
)


def main() -> int:
    """Run the command that the first word names."""
    words = sys.argv[1:]
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        print(_USAGE)
        return 0
    if first in ("-V", "--version"):
        print(f"Geartrain {__version__}")
        return 0
    if first not in COMMANDS:
        hint = did_you_mean(first, COMMANDS)
        print(f"geartrain: there is no command {first!r}{hint or '.'} See python -m geartrain --help.", file=sys.stderr)
        return 1
    sys.argv = words  # the command's own name comes first, as if it had been called
    return _run(first)


def gearmand() -> int:
    """Run the command ``gearmand``, or say why this system cannot."""
    return _run("gearmand")


def _run(command: str) -> int:
    try:
        module = importlib.import_module(f"geartrain.cli.{command}")
    except UnsupportedPlatform as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 1
    result: int = module.main()
    return result


if __name__ == "__main__":
    sys.exit(main())
