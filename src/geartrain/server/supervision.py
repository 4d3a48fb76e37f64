# SPDX-License-Identifier: MIT
"""What started the process, if it wants to hear how it is: systemd, or whatever speaks like it.

Both sides of it are a few lines, by environment variables: sockets that listen already are handed over as descriptors
from 3 on (``sd_listen_fds``), and lines of text go to a datagram socket (``sd_notify``). The variables are taken out of
the environment, so that no program that we start takes itself for the service.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import MutableMapping

from geartrain.server.process import ProcessError

__all__ = ["Supervisor", "inherited_sockets"]

log = logging.getLogger("geartrain.server")

_FIRST_DESCRIPTOR = 3


def inherited_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that were handed over, each of which listens.

    Raises:
        ProcessError: One of them is something else.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():  # meant for another process, which has started this one
        return []
    return [_inherited(descriptor) for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count))]


def _inherited(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
        listens = bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) and found.type == socket.SOCK_STREAM
    except OSError as error:
        raise ProcessError(f"Could not use descriptor {descriptor}, which was handed over: {error.strerror}") from error
    if not listens:
        found.close()
        raise ProcessError(f"Descriptor {descriptor}, which was handed over, is no stream socket that listens")
    found.set_inheritable(False)
    return found


class Supervisor:
    """Hears how the server is. Nobody does where nothing supervises it; then all of this has no effect.

    Args:
        environment: The variables of the process.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        pid = environment.pop("WATCHDOG_PID", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        is_meant = pid in ("", str(os.getpid())) and microseconds.isdecimal()
        self._period = int(microseconds) / 2e6 if is_meant else 0.0  # twice in the time that it waits
        self._is_deaf = False

    def ready(self, status: str) -> None:
        """Say that the server serves, now or again."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that it reads its configuration; `ready` says when that is done."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str, patience: float) -> None:
        """Say that it stops, and how many seconds that may take."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(patience * 1e6)}")

    def watch(self) -> None:
        """Show from now on that the event loop turns. Whoever does not see it for too long starts the server anew."""
        if self._period and self._address:
            self._tell("WATCHDOG=1")
            asyncio.get_running_loop().call_later(self._period, self.watch)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), address)
            self._is_deaf = False
        except OSError as error:
            if not self._is_deaf:  # one line for each time that it goes wrong, not for each turn of the watchdog
                self._is_deaf = True
                log.warning("Could not tell the supervisor of %s: %s", lines[0], error)
