# SPDX-License-Identifier: MIT
"""Which thread has a worker's loop.

The loop has a keeper, the thread that called `run`. In a worker that does one job at a time the thread that does them
borrows it between two jobs: it waits for the next one itself, and says how the last one has ended, where waking another
thread for each would take longer than a short job. While it is at a job the keeper has the loop again, so that servers
are answered and a stop is heard however long that takes.

The keeper need not be woken for that: it waits for the loop's selector, which is a descriptor like any other, and stops
watching it while it is borrowed. It is only called when something is due before it wakes by itself.
"""

import math
import selectors
import threading
import time
from collections.abc import Callable

from geartrain.worker.sync.mailbox import Mailbox

__all__ = ["CAN_LEND", "Baton"]

# Whether a selector can be waited for by another one, and changed meanwhile.
CAN_LEND = selectors.DefaultSelector.__name__ in ("EpollSelector", "KqueueSelector")


class Baton:
    """Held by the thread that does something with a loop; whoever does not hold it leaves everything alone.

    Args:
        selector: What the loop waits for.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._loop = selector
        self._held = threading.Lock()
        self._bell = Mailbox()
        self._watch = selectors.DefaultSelector()
        self._watch.register(self._bell.bell, selectors.EVENT_READ)
        self._watch.register(selector, selectors.EVENT_READ)  # type: ignore[arg-type]  # those that can be lent
        self._wakes_at = math.inf
        self._is_over = False

    @property
    def button(self) -> int:
        """The descriptor that a byte may be written to, to call the keeper."""
        return self._bell.button

    def keep(self, deadline: Callable[[], float]) -> bool:
        """Wait as its keeper until there is something to do; return whether the caller holds the baton now.

        Args:
            deadline: Tells when something is due; called only while nobody else has the loop.
        """
        self._wakes_at = math.inf  # first: whoever gives the loop back from now on calls
        if self._held.acquire(blocking=False):
            self._wakes_at = deadline()
            self._held.release()
        self._watch.select(None if self._wakes_at == math.inf else max(self._wakes_at - time.monotonic(), 0.0))
        self._bell.deliver()
        return self._held.acquire(blocking=False)

    def put_down(self) -> None:
        """Hold it no longer."""
        self._held.release()

    def keep_for_good(self) -> None:
        """Hold it as its keeper, as soon as nobody else does, and lend it no more."""
        with self._held:
            self._is_over = True

    def borrow(self) -> bool:
        """Hold it in the keeper's place; return whether it is still to be had."""
        self._held.acquire()
        if self._is_over:
            self._held.release()
            return False
        self._watch.unregister(self._loop)  # type: ignore[arg-type]
        return True

    def give_back(self, due: float) -> None:
        """Hold what was borrowed no longer; the keeper is called if it wakes too late for what is due."""
        self._watch.register(self._loop, selectors.EVENT_READ)  # type: ignore[arg-type]
        self._held.release()
        if due < self._wakes_at:
            self._bell.post(_nothing)

    def close(self) -> None:
        """Give back what it has."""
        self._bell.close()
        self._watch.close()


def _nothing() -> None:
    pass
