# SPDX-License-Identifier: MIT
"""A self-pipe: it ends the wait of a selector from another thread or from a signal handler."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

__all__ = ["Waker"]


class Waker:
    """A pair of connected sockets; a selector watches one end, any thread writes a byte to the other.

    A byte that is written between two waits ends the next one, so no wake-up is lost.
    """

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to watch, under the name that selectors ask for."""
        return self._read.fileno()

    @property
    def wakeup_fd(self) -> int:
        """The descriptor to write a byte to, for `signal.set_wakeup_fd`."""
        return self._write.fileno()

    def wake(self) -> None:
        """End the current or the next wait; safe in any thread and in signal handlers, also after `close`."""
        with contextlib.suppress(OSError):  # full, so that the wait ends anyway; or closed
            self._write.send(b"!")

    def clear(self) -> bool:
        """Forget the wake-ups so far; return whether there were any."""
        try:
            return bool(self._read.recv(4096))
        except BlockingIOError:
            return False

    @contextlib.contextmanager
    def woken_by_signals(self) -> Iterator[None]:
        """Wake at each signal for the length of a block; only in the main thread.

        Python resumes an interrupted wait after the handler has returned, and the system may deliver a signal to any
        thread of the process. Either way a handler that only sets a flag would go unnoticed until the wait is over.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.set_wakeup_fd(self.wakeup_fd, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def close(self) -> None:
        """Close both ends."""
        self._read.close()
        self._write.close()
