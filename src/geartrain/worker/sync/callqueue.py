# SPDX-License-Identifier: MIT
"""Calls from other threads into a loop that waits for sockets."""

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from geartrain.transport import Waker

__all__ = ["CallQueue"]

Callback: TypeAlias = Callable[[], object]


class CallQueue:
    """Calls to make in the loop's thread, with a descriptor that becomes readable when there are any.

    `post` is safe in any thread, and in a signal handler of the loop's thread.
    """

    def __init__(self) -> None:
        self._callbacks: deque[Callback] = deque()
        self._is_woken = False  # and has not run yet: one wake-up is enough for any number of calls
        self._closed = False
        self._lock = threading.RLock()  # a signal handler may post while its own thread closes
        self._waker = Waker()

    def fileno(self) -> int:
        """Return the descriptor to watch, under the name that selectors ask for."""
        return self._waker.fileno()

    @property
    def waker(self) -> Waker:
        """The self-pipe that wakes the loop."""
        return self._waker

    def post(self, callback: Callback) -> bool:
        """Queue a call and wake the loop; return False if the queue is closed."""
        with self._lock:
            if self._closed:
                return False
            self._callbacks.append(callback)
            if not self._is_woken:
                self._is_woken = True
                self._waker.wake()
            return True

    @property
    def has_calls(self) -> bool:
        """True if calls are queued."""
        return bool(self._callbacks)

    def run(self) -> None:
        """Make the calls that were queued before."""
        self._waker.clear()
        self._is_woken = False  # from here on a call wakes the loop again, as the loop below may not include it
        for _ in range(len(self._callbacks)):
            self._callbacks.popleft()()

    def close(self) -> None:
        """Accept no more calls, and make those that were queued before."""
        with self._lock:
            self._closed = True
        self.run()
        self._waker.close()
