# SPDX-License-Identifier: MIT
"""Accepting connections, also when there are no descriptors left to accept them with."""

import asyncio
import logging
import socket
from collections.abc import Callable

from geartrain.server.endpoints import describe

__all__ = ["Listener"]

log = logging.getLogger("geartrain.server")

# Connections accepted in one turn, so that a storm of them leaves time for those that are there.
_AT_ONCE = 64

# Seconds until the next attempt when there is no room for another connection. The socket stays ready all the time, so
# that trying at once would spin.
_PAUSE = 0.5


class Listener:
    """A socket that listens, and is accepted from until `stop`.

    Args:
        listening: The socket.
        accept: What to do with a new connection and the address of its peer.
    """

    def __init__(self, listening: socket.socket, accept: Callable[[socket.socket, object], None]) -> None:
        listening.setblocking(False)
        self._socket = listening
        self._accept = accept
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._is_short = False  # of descriptors or memory, since the last connection that was accepted
        self._loop.add_reader(listening.fileno(), self._on_ready)

    def stop(self) -> None:
        """Accept nothing more. The socket stays open."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._socket.fileno())

    def _on_ready(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._is_short = False
            self._accept(accepted, address)

    def _pause(self, error: OSError) -> None:
        """Wait a moment for others to leave. The log hears of it once, until it has gone well again."""
        if not self._is_short:
            self._is_short = True
            log.error("Could not accept connections on %s: %s", describe(self._socket.getsockname()), error.strerror)
        self._loop.remove_reader(self._socket.fileno())
        self._resume = self._loop.call_later(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._loop.add_reader(self._socket.fileno(), self._on_ready)
