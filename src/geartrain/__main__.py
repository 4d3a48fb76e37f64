# SPDX-License-Identifier: MIT
"""``python -m geartrain``: the commands, for when they are not on the path."""

import importlib
import sys

__all__ = ["main"]

COMMANDS = {
    "gearmand": "the job server",
    "gearman": "submit jobs, or do them, from the shell",
    "gearadmin": "ask a job server how it is",
}

_USAGE = "\n".join(
    ["Usage: python -m geartrain COMMAND [option ...]", "", "Commands; each has --help:"]
    + [f"  {command:<12}{text}" for command, text in COMMANDS.items()]
)


def main() -> int:
    """Run the command that the first word names."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(_USAGE)
        return 0
    if words[0] not in COMMANDS:
        print(f"There is no command '{words[0]}'.\n\n{_USAGE}", file=sys.stderr)
        return 1
    sys.argv = words  # the command's own name comes first, as if it had been called
    result: int = importlib.import_module(f"geartrain.cli.{words[0]}").main()
    return result


if __name__ == "__main__":
    sys.exit(main())
