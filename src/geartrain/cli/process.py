# SPDX-License-Identifier: MIT
"""The process around `gearman`: its pid file, and its way into the background (protocol 4)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geartrain.platforms import require

__all__ = ["PidFileError", "detach", "pid_file"]


class PidFileError(Exception):
    """The pid file cannot be written."""


def detach() -> bool:
    """Fork a child without a terminal; return True in the child, and False in the parent, which is to exit.

    Raises:
        UnsupportedPlatform: This system cannot fork processes.
    """
    require("the option -d", ("os.fork",), "start it in the background by another program")
    if os.fork():
        return False
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return True


@contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """Write a pid file, and remove it at the end of the block; an existing file is replaced.

    Raises:
        PidFileError: It cannot be written.
    """
    if path is None:
        yield
        return
    file = Path(path)
    try:
        file.unlink(missing_ok=True)
        file.write_text(f"{os.getpid()}\n")
        file.chmod(0o744)
    except OSError as error:
        raise PidFileError(f"cannot write the pid file {path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
