# SPDX-License-Identifier: MIT
"""What ends a worker's wait for its servers: a shutdown asked for elsewhere, or a signal."""

import contextlib
import signal
import socket
import threading
from types import TracebackType
from typing import Self

__all__ = ["Bell"]


class Bell:
    """Rings inside a ``with``, when it is rung or when a signal comes.

    Python takes up an interrupted wait again after a signal's handler, and a handler that only notes that the worker
    is to leave would not be noticed before the wait is over. The system hands signals to the main thread only.
    """

    def __init__(self) -> None:
        self._bell, self._button = socket.socketpair()
        self._bell.setblocking(False)
        self._button.setblocking(False)
        self._hears_signals = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._hears_signals:
            self._before = signal.set_wakeup_fd(self._button.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._hears_signals:
            signal.set_wakeup_fd(self._before)
        self._bell.close()
        self._button.close()

    def fileno(self) -> int:
        """Return the number of the socket that something comes from when it rings."""
        return self._bell.fileno()

    def ring(self) -> None:
        """Ring, from any thread or signal handler; nobody hears it any more after the ``with``."""
        with contextlib.suppress(OSError):
            self._button.send(b"!")

    def heard(self) -> bool:
        """Tell whether it has rung since the last time."""
        try:
            return bool(self._bell.recv(4096))
        except BlockingIOError:
            return False
