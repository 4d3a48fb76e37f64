# SPDX-License-Identifier: MIT
"""The thread that reads from all servers of a blocking client.

It sleeps in a selector until bytes come, a socket takes more, or another thread asks for attention through a pair of
sockets. It wakes on its own only to look for servers that have fallen silent.

A thread that waits for an answer may borrow a connection and read it itself, as being woken by another thread takes
longer than reading. The selector then leaves the reading of this connection alone until it is given back.
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from geartrain.client.sync.connection import Connection
from geartrain.errors import ConnectionLost

__all__ = ["IOThread"]

logger = logging.getLogger("geartrain.client")

_LONGEST_SLEEP = 60.0  # seconds; a selector cannot count very far

# Whether one thread may change what another one sleeps on.
_CAN_LEND = selectors.DefaultSelector.__name__ in ("EpollSelector", "KqueueSelector")


class IOThread:
    """Reads from connections, hands on what came, and notices when one is lost.

    Args:
        patience: Seconds that a server may owe an answer without a byte moving either way.
        lost: Called in the reader's thread with each connection that cannot be used any more, once.
    """

    def __init__(self, patience: float, lost: Callable[[Connection], None]) -> None:
        self._patience = patience
        self._lost = lost
        self._attention: deque[Connection] = deque()
        self._watched: dict[Connection, int] = {}  # and what for
        self._watching = threading.Lock()  # guards what is above, and what the selector watches
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="geartrain-client", daemon=True)

    # For any thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def attend(self, connection: Connection) -> None:
        """Look at a connection: a new one, one with something to send, or one that was lost."""
        self._attention.append(connection)
        self._wake()

    def lend(self, connection: Connection) -> bool:
        """Leave the reading of a connection to the thread that asks; return whether it may."""
        if not _CAN_LEND or connection.loss is not None or not connection.reading.acquire(blocking=False):
            return False
        connection.is_lent = True
        if self._watch(connection, known=True):
            return True
        self.take_back(connection)
        return False

    def take_back(self, connection: Connection) -> None:
        """Read a connection again that was lent."""
        connection.is_lent = False
        connection.reading.release()
        if connection.loss is None:
            self._watch(connection, known=True)
        else:
            self.attend(connection)

    def stop(self) -> None:
        """Have the thread lose all connections and end."""
        self._stopping = True
        self._wake()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def is_current(self) -> bool:
        """Whether the thread that asks is the reader's own, in which callbacks run."""
        return threading.current_thread() is self._thread

    def disown(self) -> None:
        """Close a forked child's copies. The selector's registrations are the parent's, and stay."""
        for descriptor in (self._selector, self._woken, self._waker):
            descriptor.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full, so that it will wake; or closed, so that it has ended
            self._waker.send(b"\0")

    # The thread

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._read()
            except Exception as error:  # a bug of ours: it ends the connections, but must leave nobody waiting
                logger.exception("giving up all connections after an unexpected error")
                self._lose_all(ConnectionLost(f"the client gave up all connections after an unexpected {error!r}"))
        self._end()

    def _read(self) -> None:
        interval = min(self._patience / 4, _LONGEST_SLEEP)  # the exactness with which silence is noticed
        next_check = time.monotonic() + interval
        while not self._stopping:
            for key, ready in self._selector.select(interval):
                if key.data is None:
                    self._woken.recv(4096)
                else:
                    self._serve(key.data, ready)
            self._look_after_attention()
            if time.monotonic() >= next_check:
                for connection in list(self._watched):
                    connection.check_silence(self._patience)
                next_check = time.monotonic() + interval

    def _serve(self, connection: Connection, ready: int) -> None:
        if ready & selectors.EVENT_READ and connection.reading.acquire(blocking=False):  # else it was just lent
            try:
                connection.read()
            finally:
                connection.reading.release()
        if ready & selectors.EVENT_WRITE and connection.loss is None:
            connection.send_on()
            self._watch(connection)

    def _look_after_attention(self) -> None:
        while self._attention:
            connection = self._attention.popleft()
            if connection.loss is None:
                self._watch(connection)
            else:
                self._drop(connection)

    def _watch(self, connection: Connection, *, known: bool = False) -> bool:
        """Have the selector watch what it is to watch now; of a connection that must be known, tell if it is."""
        with self._watching:
            watched = self._watched.get(connection)
            if watched is None and (known or connection.is_closed):
                return False
            wanted = 0 if connection.is_lent else selectors.EVENT_READ
            wanted |= selectors.EVENT_WRITE if connection.has_unsent else 0
            if watched and wanted and watched != wanted:
                self._selector.modify(connection, wanted, connection)
            elif watched and not wanted:
                self._selector.unregister(connection)
            elif wanted and not watched:
                self._selector.register(connection, wanted, connection)
            self._watched[connection] = wanted
            return True

    def _drop(self, connection: Connection) -> None:
        with self._watching:
            if connection.is_lent:
                return  # its borrower is awake, and has it looked at again
            if self._watched.pop(connection, None):
                self._selector.unregister(connection)
        if not connection.is_closed:
            self._lost(connection)

    def _lose_all(self, loss: ConnectionLost) -> None:
        for connection in [*self._watched, *self._attention]:
            connection.lose(loss)
        self._look_after_attention()

    def _end(self) -> None:
        self._lose_all(ConnectionLost("the client was closed"))
        while self._watched:  # those that are lent, whose borrowers have been woken
            self._selector.select(_LONGEST_SLEEP)
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
            self._look_after_attention()
        self._selector.close()
        self._woken.close()
        self._waker.close()
