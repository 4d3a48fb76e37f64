# SPDX-License-Identifier: MIT
"""Accepting connections, also when there are no descriptors left to accept them with.

A listener keeps a descriptor in reserve. When there are no others, it is given up for each connection that waits, so
that its peer can be told, or let in if it may be the administrator; it is had back before anybody else is let in.
"""

import asyncio
import errno
import logging
import os
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
        accept_last: The same when there are no descriptors left but the one that was kept for this.
    """

    def __init__(
        self,
        listening: socket.socket,
        accept: Callable[[socket.socket, object], None],
        accept_last: Callable[[socket.socket, object], None],
    ) -> None:
        listening.setblocking(False)
        self._socket = listening
        self._accept = accept
        self._accept_last = accept_last
        self._reserve = _reserve()
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._is_short = False  # of descriptors or memory, since the last connection that was accepted
        self._loop.add_reader(listening.fileno(), self._on_ready)

    def stop(self) -> None:
        """Accept nothing more. The socket stays open."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._release_reserve()

    def _on_ready(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._use_reserve(error)
                self._pause(error)
                return
            self._is_short = False
            self._accept(accepted, address)

    def _use_reserve(self, error: OSError) -> None:
        """Accept those who wait, one after the other, by the descriptor that was kept, until somebody stays."""
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            return
        for _ in range(_AT_ONCE):
            if self._reserve is None:
                return
            self._release_reserve()
            try:
                accepted, address = self._socket.accept()
            except OSError:
                accepted = None
            if accepted is not None:
                self._accept_last(accepted, address)
            self._reserve = _reserve()
            if accepted is None:
                return

    def _release_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _pause(self, error: OSError) -> None:
        """Wait a moment for others to leave. The log hears of it once, until it has gone well again."""
        if not self._is_short:
            self._is_short = True
            log.error("Could not accept connections on %s: %s", describe(self._socket.getsockname()), error.strerror)
        self._loop.remove_reader(self._socket.fileno())
        self._resume = self._loop.call_later(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._reserve = self._reserve if self._reserve is not None else _reserve()
        if self._reserve is None:  # the first descriptor that is free is kept for the next time
            self._resume = self._loop.call_later(_PAUSE, self._go_on)
            return
        self._loop.add_reader(self._socket.fileno(), self._on_ready)


def _reserve() -> int | None:
    """Return a descriptor to be given up when there is no other, or None if there is none."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None
