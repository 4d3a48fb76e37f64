# SPDX-License-Identifier: MIT
"""What the commands say to people."""

import os
import sys
from pathlib import Path

__all__ = ["complain", "give_up_stdout", "program_name"]


def program_name() -> str:
    """Return what the command was called as."""
    return Path(sys.argv[0]).name


def complain(message: str) -> None:
    """Print a message about something that went wrong."""
    print(f"{program_name()}: {message}", file=sys.stderr)


def give_up_stdout() -> None:
    """Have nothing written any more to a pipe whose reader is gone; the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
