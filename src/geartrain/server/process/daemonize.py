# SPDX-License-Identifier: MIT
"""Running in the background.

The parent waits until the child serves, and then exits with 0. A child that cannot start has written the reason to the
standard error output that both share, and the parent exits with the child's status.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from geartrain.server.config.kinds import FLAG
from geartrain.server.config.option import Group, option

__all__ = ["DaemonOptions", "daemonize"]


@dataclass(frozen=True, kw_only=True)
class DaemonOptions:
    """Foreground or background."""

    daemon: bool = option(
        False,
        FLAG,
        Group.PROCESS,
        "run in the background",
        short="d",
        details="The command returns when the server accepts connections; if the server cannot start, the command "
        "prints the reason. Do not use this option under systemd or in a container, which need the server in the "
        "foreground.",
    )


def daemonize() -> Callable[[], None]:
    """Return in a child with a session of its own; the parent does not return.

    Call the result once the child serves: the parent exits then.

    There must be no threads and no event loop yet.
    """
    ready, set_ready = os.pipe()
    child = os.fork()
    if child:
        os.close(set_ready)
        sys.exit(_wait(child, ready))
    os.close(ready)
    os.setsid()

    def notify_parent() -> None:
        _leave_terminal()
        os.write(set_ready, b"\n")
        os.close(set_ready)

    return notify_parent


def _wait(child: int, ready: int) -> int:
    """Return the exit status of the parent."""
    try:
        if os.read(ready, 1):
            return 0
    except KeyboardInterrupt:  # the child has a session of its own, so the terminal does not reach it
        os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return abs(os.waitstatus_to_exitcode(status))


def _leave_terminal() -> None:
    with Path(os.devnull).open("r+b") as null:
        for descriptor in range(3):
            os.dup2(null.fileno(), descriptor)
