# SPDX-License-Identifier: MIT
"""The thread that reads from all servers of a blocking client.

It sleeps in a selector until bytes come, a socket takes more, or another thread asks for attention through a pair of
sockets. It wakes on its own only to look for servers that have fallen silent.
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

__all__ = ["Reader"]

logger = logging.getLogger("geartrain.client")

_LONGEST_SLEEP = 60.0  # seconds; a selector cannot count very far


class Reader:
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
        if ready & selectors.EVENT_READ:
            for ticket, event in connection.receive():
                ticket.take(event)
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

    def _watch(self, connection: Connection) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.has_unsent else 0)
        watched = self._watched.get(connection)
        if watched is None:
            self._selector.register(connection, wanted, connection)
        elif watched != wanted:
            self._selector.modify(connection, wanted, connection)
        self._watched[connection] = wanted

    def _drop(self, connection: Connection) -> None:
        if self._watched.pop(connection, None) is not None:
            self._selector.unregister(connection)
        if not connection.is_closed:
            self._lost(connection)

    def _lose_all(self, loss: ConnectionLost) -> None:
        for connection in [*self._watched, *self._attention]:
            connection.lose(loss)
        self._look_after_attention()

    def _end(self) -> None:
        self._lose_all(ConnectionLost("the client was closed"))
        self._selector.close()
        self._woken.close()
        self._waker.close()
