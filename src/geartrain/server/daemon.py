# SPDX-License-Identifier: MIT
"""Going to the background, in a way that its caller can rely on.

The parent stays until the child serves, and then exits with 0. A child that cannot start has said why on the standard
error output that both share, and the parent exits as it did: a port that is taken is not found out from a log.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["detach"]


def detach() -> Callable[[], None]:
    """Return in a child in a session of its own; call what is returned when it serves. The parent does not return.

    There must be no threads and no event loop yet.
    """
    ready, tell_ready = os.pipe()
    child = os.fork()
    if child:
        os.close(tell_ready)
        sys.exit(_wait(child, ready))
    os.close(ready)
    os.setsid()

    def serves() -> None:
        _leave_terminal()
        os.write(tell_ready, b"\n")
        os.close(tell_ready)

    return serves


def _wait(child: int, ready: int) -> int:
    """Return the exit code for the parent."""
    try:
        if os.read(ready, 1):
            return 0
    except KeyboardInterrupt:  # the child has a session of its own, so the terminal does not reach it
        os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return abs(os.waitstatus_to_exitcode(status))


def _leave_terminal() -> None:
    with Path(os.devnull).open("r+b") as nothing:
        for descriptor in range(3):
            os.dup2(nothing.fileno(), descriptor)
