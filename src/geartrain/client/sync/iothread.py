# SPDX-License-Identifier: MIT
"""The thread that receives from all servers of a blocking client.

It waits in a selector until bytes arrive, a socket accepts more, or another thread wakes it. Otherwise it wakes only to
check for servers that do not answer, and for what interrupted threads have left behind.

A thread that waits for an answer may borrow a connection and receive itself, as waking another thread takes longer than
receiving. The selector does not watch this connection for incoming bytes until it is given back.

Signal handlers run in the main thread, and so never in this one: it does everything that must not stop half-way. It
starts the threads that connect, calls the callbacks of users, and closes sockets. It creates the selector itself, so
that a thread that is interrupted while it starts this one leaves nothing open.
"""

import _thread
import contextlib
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable

from geartrain.client.sync.connection import ClientConnection
from geartrain.errors import ConnectionLost
from geartrain.lazy import LazyLogger
from geartrain.transport import Latch, Waker

__all__ = ["IOThread"]

logger = LazyLogger("geartrain.client")

_LONGEST_WAIT = 60.0  # seconds between two checks
_LONGEST_JOIN = 1.0  # seconds from the last thing that the thread does to its end

# True if one thread may change what another one waits for.
_CAN_BORROW = selectors.DefaultSelector.__name__ in ("EpollSelector", "KqueueSelector")


class IOThread:
    """Receives from connections, passes on the events, and detects lost connections.

    Args:
        reply_timeout: Seconds without a byte sent or received until a connection that waits for an answer is closed.
        lost: Called in this thread with each connection that cannot be used any more, once.
        failed: Called with the reason if the thread cannot start; `start` may be called again.

    Attributes:
        interval: Seconds between two checks, which are the precision of the timeout.
    """

    def __init__(
        self, reply_timeout: float, lost: Callable[[ClientConnection], None], failed: Callable[[OSError], None]
    ) -> None:
        self.interval = min(reply_timeout / 4, _LONGEST_WAIT)
        self._reply_timeout = reply_timeout
        self._lost = lost
        self._failed = failed
        self._notified: deque[ClientConnection] = deque()
        self._posted: deque[Callable[[], object]] = deque()
        self._watched: dict[ClientConnection, int] = {}  # and the selector's events
        self._watching = threading.Lock()  # guards the line above, and the selector's registrations
        self._stopping = False
        self._selector: selectors.BaseSelector | None = None
        self._waker: Waker | None = None
        self._starting = threading.Lock()  # guards the lines below
        self._is_claimed = False  # a thread runs, or is about to
        self._thread: threading.Thread | None = None
        self._ident = 0
        self._has_ended = False
        self._joining: list[Latch] = []

    # For any thread

    def start(self) -> None:
        """Start the thread if it does not run.

        Raises:
            RuntimeError: The system has no thread left.
        """
        if not self._is_claimed:  # if it was only just started, the second thread ends at once
            _thread.start_new_thread(self._launch, ())  # one instruction, which an interruption cannot divide

    def _launch(self) -> None:
        with self._starting:
            if self._is_claimed or self._stopping:
                return
            self._is_claimed = True
        self._thread = threading.Thread(target=self._run, name="geartrain-client", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread is left; this one serves as well
            self._thread = None
            self._run()

    def notify(self, connection: ClientConnection) -> None:
        """Make the thread check a connection: a new one, one with bytes to send, or one that was lost."""
        self._notified.append(connection)
        self._wake()

    def post(self, call: Callable[[], object]) -> None:
        """Make the thread call a function; after its end the function is called here."""
        self._posted.append(call)
        self._wake()
        if self._has_ended:
            self._call_posted()

    def borrow(self, connection: ClientConnection) -> bool:
        """Let the calling thread receive on a connection; return False if it must not."""
        if not _CAN_BORROW or not connection.lend():
            return False
        if self._watch(connection, known=True):
            return True
        self.give_back(connection)
        return False

    def give_back(self, connection: ClientConnection) -> None:
        """Receive again on a connection that was borrowed."""
        connection.is_borrowed = False
        if connection.loss is None:
            self._watch(connection, known=True)
        else:
            self.notify(connection)

    def stop(self) -> None:
        """Make the thread mark all connections as lost, and end."""
        with self._starting:
            self._stopping = True
        self._wake()

    def join(self) -> None:
        """Wait until the thread has ended."""
        if self._is_claimed:
            latch = Latch()
            self._joining.append(latch)
            if not self._has_ended:
                latch.wait()
            if self._thread is not None:
                self._thread.join(_LONGEST_JOIN)

    def is_current(self) -> bool:
        """Return True in the thread itself, in which callbacks run."""
        return threading.get_ident() == self._ident

    def close_copies(self) -> None:
        """Close a forked child's copies of the descriptors. The selector's registrations belong to the parent."""
        if self._selector is not None:
            self._selector.close()
        if self._waker is not None:
            self._waker.close()

    def _wake(self) -> None:
        waker = self._waker
        if waker is not None:  # otherwise the thread looks before it first waits
            waker.wake()

    # The thread

    def _run(self) -> None:
        try:
            selector = selectors.DefaultSelector()
            try:
                waker = Waker()
            except OSError:
                selector.close()
                raise
        except OSError as error:
            self._is_claimed = False
            self._failed(error)
            return
        self._ident = threading.get_ident()
        selector.register(waker, selectors.EVENT_READ)
        self._selector, self._waker = selector, waker
        while not self._stopping:
            try:
                self._serve_all(selector, waker)
            except Exception as error:  # a bug: the connections are lost, but no caller may wait for ever
                logger.exception("giving up all connections after an unexpected error")
                self._lose_all(ConnectionLost(f"the client gave up all connections after an unexpected {error!r}"))
        self._end(selector, waker)

    def _serve_all(self, selector: selectors.BaseSelector, waker: Waker) -> None:
        next_check = time.monotonic() + self.interval
        while not self._stopping:
            self._check_notified()
            self._call_posted()
            for key, ready in selector.select(self.interval):
                if key.data is None:
                    waker.clear()
                else:
                    self._serve(key.data, ready)
            if time.monotonic() >= next_check:
                self._check_all()
                next_check = time.monotonic() + self.interval

    def _serve(self, connection: ClientConnection, ready: int) -> None:
        try:
            if ready & selectors.EVENT_READ:
                connection.receive()
            if ready & selectors.EVENT_WRITE and connection.loss is None:
                connection.send_more()
                self._watch(connection)
        except Exception as error:  # a bug: the connection is lost, but no caller may wait for ever
            connection.lose(ConnectionLost(f"the client gave up {connection.address} after an unexpected {error!r}"))
            logger.exception("giving up the connection to %s after an unexpected error", connection.address)

    def _check_notified(self) -> None:
        while self._notified:
            self._check(self._notified.popleft())

    def _check_all(self) -> None:
        for connection in list(self._watched):
            self._check(connection, self._reply_timeout)

    def _check(self, connection: ClientConnection, *reply_timeout: float) -> None:
        connection.check(*reply_timeout)
        if reply_timeout:
            connection.take_back()
        if connection.loss is None:
            self._watch(connection)
        else:
            self._drop(connection)

    def _call_posted(self) -> None:
        while self._posted:
            try:
                self._posted.popleft()()
            except IndexError:  # two threads call what was posted after the end
                return

    def _watch(self, connection: ClientConnection, *, known: bool = False) -> bool:
        """Update the selector's events for a connection; return False if it must be registered already and is not."""
        with self._watching:
            watched = self._watched.get(connection)
            if self._selector is None or connection.is_closed or (watched is None and known):
                return False
            if connection.is_rewatched:
                connection.lose(ConnectionLost(f"a thread was interrupted while it waited for {connection.address}"))
                return False
            wanted = 0 if connection.is_borrowed else selectors.EVENT_READ
            wanted |= selectors.EVENT_WRITE if connection.has_unsent else 0
            connection.is_rewatched = True
            if watched and wanted and watched != wanted:
                self._selector.modify(connection, wanted, connection)
            elif watched and not wanted:
                self._selector.unregister(connection)
            elif wanted and not watched:
                self._selector.register(connection, wanted, connection)
            self._watched[connection] = wanted
            connection.is_rewatched = False
            return True

    def _drop(self, connection: ClientConnection) -> None:
        with self._watching:
            self._watched.pop(connection, None)
            if self._selector is not None and not connection.is_closed:
                with contextlib.suppress(KeyError, OSError):  # an interrupted thread may have unregistered it
                    self._selector.unregister(connection)
        if not connection.is_closed:
            self._lost(connection)

    def _lose_all(self, loss: ConnectionLost) -> None:
        for connection in [*self._watched, *self._notified]:
            connection.lose(loss)
        self._check_notified()

    def _end(self, selector: selectors.BaseSelector, waker: Waker) -> None:
        self._lose_all(ConnectionLost("the client was closed"))
        selector.close()
        waker.close()
        self._has_ended = True
        self._call_posted()
        for latch in list(self._joining):
            latch.set()
