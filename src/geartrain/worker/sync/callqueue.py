# SPDX-License-Identifier: MIT
"""Calls from other threads into a loop that waits for sockets."""

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from geartrain.transport import Waker

__all__ = ["CallQueue"]

Callback: TypeAlias = Callable[[], object]


class CallQueue:
    """Calls to make in the loop's thread, with a descriptor that becomes readable when there are any.

    `post` is safe in any thread and in signal handlers, as it has no lock: a handler may post while its own thread
    posts or closes, and may raise in a thread that posts.
    """

    def __init__(self) -> None:
        self._callbacks: deque[Callback] = deque()
        self._is_woken = False  # and has not run yet: one wake-up is enough for any number of calls
        self._closed = False
        self._waker: Waker | None = None

    def open(self) -> None:
        """Open the descriptor; calls that were posted before are made at the first `run`.

        Raises:
            OSError: The system has no descriptors left.
        """
        self._waker = waker = Waker()
        if self._callbacks:
            waker.wake()

    def fileno(self) -> int:
        """Return the descriptor to watch, under the name that selectors ask for."""
        assert self._waker is not None, "a queue is open while it is watched"
        return self._waker.fileno()

    def post(self, callback: Callback) -> bool:
        """Queue a call and wake the loop; return False if the queue is closed and the call is not made."""
        if self._closed:
            return False
        self._callbacks.append(callback)
        if not self._is_woken:
            self._is_woken = True
            self.wake()
        return not self._closed or not self._took_back(callback)

    def wake(self) -> None:
        """Wake the loop, also if `post` was interrupted before it could."""
        waker = self._waker
        if waker is not None:
            waker.wake()

    @property
    def has_calls(self) -> bool:
        """True if calls are queued."""
        return bool(self._callbacks)

    def run(self) -> None:
        """Make the calls that were queued before."""
        if self._waker is not None:
            self._waker.clear()
        self._is_woken = False  # from here on a call wakes the loop again, as the loop below may not include it
        for _ in range(len(self._callbacks)):
            self._callbacks.popleft()()

    def close(self) -> None:
        """Accept no more calls, and make those that were queued before."""
        self._closed = True
        while self._callbacks:
            self.run()
        if self._waker is not None:
            self._waker.close()

    def _took_back(self, callback: Callback) -> bool:
        """Return True if a call was still queued; the loop, which ends, does not make it any more."""
        try:
            self._callbacks.remove(callback)
        except ValueError:
            return False
        return True
