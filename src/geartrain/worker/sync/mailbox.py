# SPDX-License-Identifier: MIT
"""How other threads speak to a loop that waits for sockets."""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Mailbox"]

Letter: TypeAlias = Callable[[], object]


class Mailbox:
    """Calls that are to be made in the loop's thread, and a socket that wakes it.

    Posting is safe in any thread, and in a signal handler in the loop's.
    """

    def __init__(self) -> None:
        self._letters: deque[Letter] = deque()
        self._rung = False  # and not yet heard: one ring is enough for any number of letters
        self._closed = False
        self._lock = threading.RLock()  # a signal handler may post while its own thread closes
        self.bell, self._button = socket.socketpair()
        self.bell.setblocking(False)
        self._button.setblocking(False)

    @property
    def button(self) -> int:
        """The descriptor that a byte may be written to, to ring."""
        return self._button.fileno()

    def post(self, letter: Letter) -> bool:
        """Have the loop make a call; return whether it will."""
        with self._lock:
            if self._closed:
                return False
            self._letters.append(letter)
            if not self._rung:
                self._rung = True
                with contextlib.suppress(BlockingIOError):  # a bell with that many rings is heard
                    self._button.send(b"!")
            return True

    @property
    def has_letters(self) -> bool:
        """Whether there are calls to make."""
        return bool(self._letters)

    def deliver(self) -> None:
        """Make the calls that were posted."""
        with contextlib.suppress(BlockingIOError):
            self.bell.recv(4096)
        self._rung = False  # from here on a letter rings again, as it may miss the count below
        for _ in range(len(self._letters)):
            self._letters.popleft()()

    def close(self) -> None:
        """Take no more letters, and make the calls that were posted before."""
        with self._lock:
            self._closed = True
        self.deliver()
        self.bell.close()
        self._button.close()
