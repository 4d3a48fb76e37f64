# SPDX-License-Identifier: MIT
"""Messages of the commands for their users."""

import os
import sys

from geartrain._version import __version__

__all__ = ["discard_stdout", "error", "print_version", "program_name", "reason", "usage_error"]


def program_name() -> str:
    """Return the name under which the command was called."""
    return sys.argv[0].rpartition(os.sep)[2].removesuffix(".py")


def error(message: str) -> None:
    """Print an error."""
    print(f"{program_name()}: {message}", file=sys.stderr)


def reason(problem: Exception) -> str:
    """Return the text of an exception; that of a file begins with its name, and has no number."""
    if isinstance(problem, OSError) and problem.filename is not None and problem.strerror:
        return f"{os.fsdecode(problem.filename)}: {problem.strerror}"
    return str(problem)


def usage_error(message: str) -> None:
    """Print an error about the command line in one line, with the way to the help."""
    mark = "" if message.endswith("?") else "."
    error(f"{message}{mark} See {program_name()} --help.")


def print_version(command: str) -> None:
    """Print the answer to ``--version``."""
    print(f"{command} {__version__} - Geartrain")


def discard_stdout() -> None:
    """Discard further output, as the reader of the pipe is gone; the interpreter would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
