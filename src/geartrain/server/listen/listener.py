# SPDX-License-Identifier: MIT
"""Accepting connections, even when no file descriptors are left.

A listener keeps one descriptor in reserve. When there are no others, it closes the reserve for each waiting connection.
So it can send the peer the reason for the rejection, or accept a peer that may be the administrator. It opens the
reserve again before it accepts another connection.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable

from geartrain.server.listen.endpoints import describe

__all__ = ["Listener", "open_reserve"]

log = logging.getLogger("geartrain.server")

# Connections accepted in one turn of the event loop, so that a burst of them leaves time for those that exist.
_AT_ONCE = 64

# Seconds until the next attempt when there is no descriptor for another connection. The socket stays ready all the
# time, so trying at once would spin.
_PAUSE = 0.5


def open_reserve() -> int | None:
    """Return a descriptor to keep in reserve, or None if there is none."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None


class Listener:
    """A listening socket, from which connections are accepted until `stop`.

    Args:
        listening: The socket.
        accept: Called with each new connection and the address of its peer.
        accept_last: The same for a connection that has the descriptor of the reserve.
        pause: Seconds until the next attempt when there is no descriptor.
        reserve: Opens a descriptor to keep in reserve.
    """

    def __init__(
        self,
        listening: socket.socket,
        accept: Callable[[socket.socket, object], None],
        accept_last: Callable[[socket.socket, object], None],
        *,
        pause: float = _PAUSE,
        reserve: Callable[[], int | None] = open_reserve,
    ) -> None:
        listening.setblocking(False)
        self._socket = listening
        self._accept = accept
        self._accept_last = accept_last
        self._pause = pause
        self._open_reserve = reserve
        self._reserve = reserve()
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._is_short = False  # of descriptors or memory, since the last connection that was accepted
        self._loop.add_reader(listening.fileno(), self._on_ready)

    def stop(self) -> None:
        """Accept no more connections. The socket stays open."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._close_reserve()

    def _on_ready(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._use_reserve(error)
                self._wait(error)
                return
            self._is_short = False
            self._accept(accepted, address)

    def _use_reserve(self, error: OSError) -> None:
        """Accept waiting connections with the reserve, one after the other, until one of them stays."""
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            return
        for _ in range(_AT_ONCE):
            if self._reserve is None:
                return
            self._close_reserve()
            try:
                accepted, address = self._socket.accept()
            except OSError:
                accepted = None
            if accepted is not None:
                self._accept_last(accepted, address)
            self._reserve = self._open_reserve()
            if accepted is None:
                return

    def _close_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _wait(self, error: OSError) -> None:
        """Try again after a pause. The error is logged once, until a connection is accepted."""
        if not self._is_short:
            self._is_short = True
            log.error("Could not accept connections on %s: %s", describe(self._socket.getsockname()), error.strerror)
        self._loop.remove_reader(self._socket.fileno())
        self._resume = self._loop.call_later(self._pause, self._try_again)

    def _try_again(self) -> None:
        self._reserve = self._reserve if self._reserve is not None else self._open_reserve()
        if self._reserve is None:  # the first descriptor that becomes free is the reserve
            self._resume = self._loop.call_later(self._pause, self._try_again)
            return
        self._loop.add_reader(self._socket.fileno(), self._on_ready)
