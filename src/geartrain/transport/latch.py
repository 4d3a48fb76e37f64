# SPDX-License-Identifier: MIT
"""A one-shot latch: one thread waits for it, any thread sets it."""

import contextlib
import threading

__all__ = ["Latch"]


class Latch:
    """An event for one waiting thread, on a bare lock.

    An exception from a signal handler may strike at any point of a wait, and leaves nothing locked that another thread
    needs: a latch belongs to the thread that waits. (``threading.Event`` and ``Condition`` have a lock in common with
    the threads that set them, and a strike can leave it held for ever.)

    Attributes:
        is_set: True once it was set.
    """

    __slots__ = ("_lock", "is_set")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.is_set = False

    def set(self) -> None:
        """End the wait; it may be called again, in case the first call was interrupted."""
        self.is_set = True
        if self._lock.locked():  # a thread that sets it at the same time raises, but not both do
            with contextlib.suppress(RuntimeError):
                self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return False at the timeout.

        Args:
            timeout: Seconds; by default without a limit.
        """
        if not self.is_set:
            self._lock.acquire(timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX))
        return self.is_set
