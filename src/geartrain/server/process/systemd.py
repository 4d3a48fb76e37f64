# SPDX-License-Identifier: MIT
"""systemd: socket activation and sd_notify.

Both are a few lines, by environment variables: listening sockets come as descriptors from 3 on (``sd_listen_fds``), and
lines of text go to a datagram socket (``sd_notify``). The variables are removed from the environment, so that programs
started by this one do not take themselves for the service.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping

from geartrain.server.process.privileges import ProcessError

__all__ = ["Notifier", "inherited_sockets"]

log = logging.getLogger("geartrain.server")

_FIRST_DESCRIPTOR = 3


def inherited_sockets(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the listening sockets that systemd opened for this process.

    Raises:
        ProcessError: A descriptor is not a listening socket.
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
        raise ProcessError(f"Could not use the inherited descriptor {descriptor}: {error.strerror}") from error
    if not listens:
        found.close()
        raise ProcessError(f"The inherited descriptor {descriptor} is not a stream socket that listens")
    found.set_inheritable(False)
    return found


class Notifier:
    """Tells systemd the state of the service. Without NOTIFY_SOCKET this has no effect.

    Args:
        environment: The variables of the process.
    """

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        pid = environment.pop("WATCHDOG_PID", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        is_meant = pid in ("", str(os.getpid())) and microseconds.isdecimal()
        self._period = int(microseconds) / 2e6 if is_meant else 0.0  # twice in the time-out of the watchdog
        self._has_failed = False

    def ready(self, status: str) -> None:
        """Report that the server serves, for the first time or after a reload."""
        self._notify("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that the server reads its configuration; `ready` ends that."""
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str, timeout: float) -> None:
        """Report that the server stops, and how many seconds that may take."""
        self._notify("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(timeout * 1e6)}")

    async def watch(self, check: Callable[[], Awaitable[None]]) -> None:
        """Feed the watchdog for as long as the server passes a check; when it misses, systemd restarts the service.

        Args:
            check: Returns when the server answers; raises an error, or does not return, when it does not.
        """
        while self._period and self._address:
            try:
                await check()
            except Exception as error:  # of any kind: the server does not answer
                log.error("The server failed its own check: %s", error, exc_info=True)  # with the reason
            else:
                self._notify("WATCHDOG=1")
            await asyncio.sleep(self._period)

    def _notify(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), address)
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:  # one line for each outage, not for each turn of the watchdog
                self._has_failed = True
                log.warning("Could not notify systemd of %s: %s", lines[0], error)
