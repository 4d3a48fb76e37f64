# SPDX-License-Identifier: MIT
"""A proxy that does to connections what networks and dying machines do to them, when a test says so."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

from geartrain.testing.passage import Cut, Faults, Passage, Toward
from geartrain.transport import ServerAddress

__all__ = ["FaultProxy"]

PATIENCE = 20.0  # seconds that nothing takes unless it will take for ever
BACKLOG = 100  # connections that the system accepts for us while we are busy


class FaultProxy:
    """Stands between clients or workers and a server, inside of a ``with``, in a thread of its own.

    What a method asks for has happened when it returns, so that a test needs no sleep.

    ::

        with run_server() as server, FaultProxy(server.address) as proxy, Client(proxy.address) as client:
            client.ping()
            proxy.stall()
            with pytest.raises(ReplyTimeout):
                client.ping()

    Args:
        target: The server's address. One that cannot be reached has connections accepted, and closed.
        host: The address to listen on; all of ``127.0.0.0/8`` are there on Linux.
        port: The port to listen on; a free one by default.

    Attributes:
        host: Where it listens.
        port: Its port, which it keeps even while it refuses connections.
    """

    def __init__(self, target: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._target = ServerAddress.parse(target)
        self._reserved = _bound(host, port)
        self.host = host
        self.port: int = self._reserved.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="geartrain fault proxy", daemon=True)
        self._changed = threading.Condition()
        self._faults = Faults(self._notify)
        self._listener: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._passages: dict[asyncio.Task[None], Passage] = {}
        self._accepted = 0

    def __repr__(self) -> str:
        return f"<FaultProxy {self.address} of {self._target}: {self.accepted} accepted, {self.open} open>"

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self.accept()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and stop."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
        self._loop.close()
        self._reserved.close()

    # What there is to see

    @property
    def address(self) -> str:
        """Where it listens, as clients and workers take it."""
        return f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """Where connections lead; setting it moves those to come."""
        return str(self._target)

    @target.setter
    def target(self, target: str) -> None:
        self._target = ServerAddress.parse(target)

    @property
    def accepted(self) -> int:
        """How many connections there have been."""
        return self._accepted

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._passages)

    def wait_for_connections(self, count: int = 1) -> None:
        """Return when so many connections have been accepted since the beginning.

        Raises:
            AssertionError: They did not come for a long time, as for the two below.
        """
        self._wait(lambda: self._accepted >= count, f"{count} connections")

    def wait_for_bytes(self, count: int = 1, toward: Toward = Toward.SERVER) -> None:
        """Return when so many bytes have come in for one side since the beginning, whether passed on or not."""
        self._wait(lambda: self._faults.bytes_for(toward) >= count, f"{count} bytes for the {toward.name}")

    def wait_until_unused(self) -> None:
        """Return when all connections have been closed by both sides."""
        self._wait(lambda: not self._passages, "no connection")

    # What goes wrong with connections

    def stall(self, toward: Toward = Toward.BOTH) -> None:
        """Hold all bytes that go there, and those of connections to come: the peer is alive, and nothing is heard."""
        self._do(lambda: self._faults.stall(toward))

    def resume(self, toward: Toward = Toward.BOTH) -> None:
        """Pass on what was held, and go on."""
        self._do(lambda: self._faults.resume(toward))

    def delay(self, seconds: float, toward: Toward = Toward.BOTH) -> None:
        """Have all that is read at once wait for so many seconds before it is passed on."""
        self._do(lambda: self._faults.pauses.update(dict.fromkeys(toward, seconds)))

    def dribble(self, size: int = 1, toward: Toward = Toward.BOTH) -> None:
        """Pass bytes on in pieces of no more than this size, each waiting as `delay` says."""
        self._do(lambda: self._faults.sizes.update(dict.fromkeys(toward, size)))

    def cut(self, *, after: int | None = None, toward: Toward = Toward.CLIENT, reset: bool = False) -> None:
        """End connections on both sides.

        Args:
            after: End one connection, when so many more bytes have gone one way on all of them together; it is the one
                with the last of these bytes. With 0 it ends instead of passing on what comes next. By default all
                connections end, now.
            toward: Which way that is.
            reset: End it as a machine does that knows nothing of the connection (RST), rather than as a program that
                has closed it (FIN).
        """
        if after is None:
            asyncio.run_coroutine_threadsafe(self._cut_all(reset), self._loop).result(PATIENCE)
        else:
            self._do(lambda: self._faults.plan(Cut(toward, after, reset)))

    # What goes wrong with connecting

    def refuse(self) -> None:
        """Refuse connections: no program listens there. Those that there are stay."""
        self._do(self._stop_listening)

    def vanish(self) -> None:
        """Answer no request for a connection, as if the machine was gone: it lasts until a time-out. Linux only."""
        self._do(self._listen_in_vain)

    def accept(self) -> None:
        """Accept connections again."""
        self._do(self._listen)

    def restore(self) -> None:
        """Be a faultless proxy again."""
        self._do(self._faults.end)
        self.accept()

    # In the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, action: Callable[[], None]) -> None:
        """Have the thread do something, and return when it is done."""
        done: Future[None] = Future()

        def do() -> None:
            try:
                action()
                done.set_result(None)
            except BaseException as error:  # noqa: BLE001  # whoever asked for it is to have it
                done.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        done.result(PATIENCE)

    async def _cut_all(self, reset: bool) -> None:
        passages = list(self._passages.values())
        for passage in passages:
            passage.cut(reset=reset)
        await asyncio.gather(*(passage.has_ended.wait() for passage in passages))

    def _listen(self) -> None:
        self._stop_listening()
        self._listener = _bound(self.host, self.port)
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        self._loop.add_reader(self._listener, self._take, self._listener)

    def _listen_in_vain(self) -> None:
        self._stop_listening()
        self._listener = _bound(self.host, self.port)
        self._listener.listen(0)
        # The queue of those who wait to be accepted is full with the first; the others are to make sure.
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((self.host, self.port))
            self._fillers.append(filler)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.shutdown(socket.SHUT_RDWR)  # a forked child may have a copy, which would go on listening
            self._listener.close()
            self._listener = None
        while self._fillers:
            self._fillers.pop().close()

    def _take(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                sock, _ = listener.accept()
                sock.setblocking(False)
                passage = Passage(sock, self._target, self._faults)
                task = self._loop.create_task(passage.run())
                self._passages[task] = passage
                task.add_done_callback(self._forget)
                self._accepted += 1
                self._notify()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        del self._passages[task]
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _wait(self, happened: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(happened, PATIENCE):
                raise AssertionError(f"waited for {what} in vain: {self!r}")

    async def _end(self) -> None:
        self._stop_listening()
        await asyncio.sleep(0)  # what has just been accepted finds its owner
        tasks = list(self._passages)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close their sockets


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that has a port to itself, but for sockets that are bound here."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock
