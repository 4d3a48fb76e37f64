# SPDX-License-Identifier: MIT
"""The thread that receives from all servers of a blocking client.

It waits in a selector until bytes arrive, a socket accepts more, or another thread wakes it. Otherwise it wakes only to
check for servers that do not answer.

A thread that waits for an answer may borrow a connection and receive itself, as waking another thread takes longer than
receiving. The selector does not watch this connection for incoming bytes until it is given back.
"""

import logging
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable

from geartrain.client.sync.connection import ClientConnection
from geartrain.errors import ConnectionLost
from geartrain.transport import Waker

__all__ = ["IOThread"]

logger = logging.getLogger("geartrain.client")

_LONGEST_WAIT = 60.0  # seconds between two checks for servers that do not answer

# True if one thread may change what another one waits for.
_CAN_BORROW = selectors.DefaultSelector.__name__ in ("EpollSelector", "KqueueSelector")


class IOThread:
    """Receives from connections, passes on the events, and detects lost connections.

    Args:
        reply_timeout: Seconds without a byte sent or received after which a server that owes an answer is given up.
        lost: Called in this thread with each connection that cannot be used any more, once.
    """

    def __init__(self, reply_timeout: float, lost: Callable[[ClientConnection], None]) -> None:
        self._reply_timeout = reply_timeout
        self._lost = lost
        self._notified: deque[ClientConnection] = deque()
        self._watched: dict[ClientConnection, int] = {}  # and the selector's events
        self._watching = threading.Lock()  # guards the lines above, and the selector's registrations
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="geartrain-client", daemon=True)

    # For any thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def notify(self, connection: ClientConnection) -> None:
        """Make the thread check a connection: a new one, one with bytes to send, or one that was lost."""
        self._notified.append(connection)
        self._waker.wake()

    def borrow(self, connection: ClientConnection) -> bool:
        """Let the calling thread receive on a connection; return False if it must not."""
        if not _CAN_BORROW or connection.loss is not None or not connection.receiving.acquire(blocking=False):
            return False
        connection.is_borrowed = True
        if self._watch(connection, known=True):
            return True
        self.give_back(connection)
        return False

    def give_back(self, connection: ClientConnection) -> None:
        """Receive again on a connection that was borrowed."""
        connection.is_borrowed = False
        connection.receiving.release()
        if connection.loss is None:
            self._watch(connection, known=True)
        else:
            self.notify(connection)

    def stop(self) -> None:
        """Make the thread mark all connections as lost, and end."""
        self._stopping = True
        self._waker.wake()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def is_current(self) -> bool:
        """Return True in the thread itself, in which callbacks run."""
        return threading.current_thread() is self._thread

    def close_copies(self) -> None:
        """Close a forked child's copies of the descriptors. The selector's registrations belong to the parent."""
        self._selector.close()
        self._waker.close()

    # The thread

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._serve_all()
            except Exception as error:  # a bug: the connections are lost, but no caller may wait for ever
                logger.exception("giving up all connections after an unexpected error")
                self._lose_all(ConnectionLost(f"the client gave up all connections after an unexpected {error!r}"))
        self._end()

    def _serve_all(self) -> None:
        interval = min(self._reply_timeout / 4, _LONGEST_WAIT)  # the precision of the timeout
        next_check = time.monotonic() + interval
        while not self._stopping:
            for key, ready in self._selector.select(interval):
                if key.data is None:
                    self._waker.clear()
                else:
                    self._serve(key.data, ready)
            self._check_notified()
            if time.monotonic() >= next_check:
                for connection in list(self._watched):
                    connection.check_silence(self._reply_timeout)
                next_check = time.monotonic() + interval

    def _serve(self, connection: ClientConnection, ready: int) -> None:
        if ready & selectors.EVENT_READ and connection.receiving.acquire(blocking=False):  # else it was just borrowed
            try:
                connection.receive()
            finally:
                connection.receiving.release()
        if ready & selectors.EVENT_WRITE and connection.loss is None:
            connection.send_more()
            self._watch(connection)

    def _check_notified(self) -> None:
        while self._notified:
            connection = self._notified.popleft()
            if connection.loss is None:
                self._watch(connection)
            else:
                self._drop(connection)

    def _watch(self, connection: ClientConnection, *, known: bool = False) -> bool:
        """Update the selector's events for a connection; return False if it must be registered already and is not."""
        with self._watching:
            watched = self._watched.get(connection)
            if watched is None and (known or connection.is_closed):
                return False
            wanted = 0 if connection.is_borrowed else selectors.EVENT_READ
            wanted |= selectors.EVENT_WRITE if connection.has_unsent else 0
            if watched and wanted and watched != wanted:
                self._selector.modify(connection, wanted, connection)
            elif watched and not wanted:
                self._selector.unregister(connection)
            elif wanted and not watched:
                self._selector.register(connection, wanted, connection)
            self._watched[connection] = wanted
            return True

    def _drop(self, connection: ClientConnection) -> None:
        with self._watching:
            if connection.is_borrowed:
                return  # its borrower has been woken, and notifies this thread when it gives it back
            if self._watched.pop(connection, None):
                self._selector.unregister(connection)
        if not connection.is_closed:
            self._lost(connection)

    def _lose_all(self, loss: ConnectionLost) -> None:
        for connection in [*self._watched, *self._notified]:
            connection.lose(loss)
        self._check_notified()

    def _end(self) -> None:
        self._lose_all(ConnectionLost("the client was closed"))
        while self._watched:  # connections whose borrowers have been woken and have not given them back yet
            self._selector.select(_LONGEST_WAIT)
            self._waker.clear()
            self._check_notified()
        self._selector.close()
        self._waker.close()
