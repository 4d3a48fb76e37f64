# SPDX-License-Identifier: MIT
"""A proxy that injects network faults into connections when a test says so."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

from geartrain.testing.proxied import Cut, Direction, Faults, ProxiedConnection
from geartrain.transport import ServerAddress
from geartrain.wording import counted

__all__ = ["FaultProxy"]

WAIT_TIMEOUT = 20.0  # seconds; no step of the proxy takes so long unless it hangs
BACKLOG = 100  # connections that the system accepts while the proxy is busy


class FaultProxy:
    """A proxy between clients or workers and a server; inside a ``with`` it runs in a thread of its own.

    Each method returns when it has taken effect, so that a test needs no sleep.

    ::

        with run_server() as server, FaultProxy(server.address) as proxy, Client(proxy.address) as client:
            client.ping()
            proxy.stall()
            with pytest.raises(ReplyTimeout):
                client.ping()

    Args:
        target: The server's address. If it cannot be reached, connections are accepted and closed.
        host: The address to listen on; on Linux all of ``127.0.0.0/8`` can be used.
        port: The port to listen on; a free one by default.

    Attributes:
        host: The address that it listens on.
        port: The port, which stays reserved while the proxy refuses connections.
    """

    def __init__(self, target: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._target = ServerAddress.parse(target)
        self._reserved = _bound(host, port)
        self.host = host
        self.port: int = self._reserved.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop()  # the default of Windows watches no sockets of others
        self._thread = threading.Thread(target=self._run, name="geartrain fault proxy", daemon=True)
        self._changed = threading.Condition()
        self._faults = Faults(self._notify)
        self._listener: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._connections: dict[asyncio.Task[None], ProxiedConnection] = {}
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
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(WAIT_TIMEOUT)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(WAIT_TIMEOUT)
        self._loop.close()
        self._reserved.close()

    # State

    @property
    def address(self) -> str:
        """The proxy's address, for clients and workers."""
        return f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """The address of the server; a change is for later connections."""
        return str(self._target)

    @target.setter
    def target(self, target: str) -> None:
        self._target = ServerAddress.parse(target)

    @property
    def accepted(self) -> int:
        """The number of connections since the start."""
        return self._accepted

    @property
    def open(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    def wait_for_connections(self, count: int = 1, *, timeout: float = WAIT_TIMEOUT) -> None:
        """Wait until so many connections have been accepted since the start.

        Raises:
            AssertionError: They did not come within so many seconds; the same for the two methods below.
        """
        self._wait(lambda: self._accepted >= count, counted(count, "connection"), timeout)

    def wait_for_bytes(
        self, count: int = 1, direction: Direction = Direction.SERVER, *, timeout: float = WAIT_TIMEOUT
    ) -> None:
        """Wait until so many bytes have arrived for one side since the start, passed on or held."""
        what = f"{counted(count, 'byte')} for the {direction.name}"
        self._wait(lambda: self._faults.bytes_for(direction) >= count, what, timeout)

    def wait_until_unused(self, *, timeout: float = WAIT_TIMEOUT) -> None:
        """Wait until all connections have been closed by both sides."""
        self._wait(lambda: not self._connections, "no connection", timeout)

    # Faults of connections

    def stall(self, direction: Direction = Direction.BOTH) -> None:
        """Hold the bytes of a direction, on later connections too: the peer is alive and says nothing."""
        self._do(lambda: self._faults.stall(direction))

    def resume(self, direction: Direction = Direction.BOTH) -> None:
        """Pass on the held bytes, and end the stall."""
        self._do(lambda: self._faults.resume(direction))

    def delay(self, seconds: float, direction: Direction = Direction.BOTH) -> None:
        """Delay each piece by so many seconds before it is passed on."""
        self._do(lambda: self._faults.pauses.update(dict.fromkeys(direction, seconds)))

    def throttle(self, size: int = 1, direction: Direction = Direction.BOTH) -> None:
        """Pass bytes on in pieces of at most this size, each after the time that `delay` sets."""
        self._do(lambda: self._faults.sizes.update(dict.fromkeys(direction, size)))

    def cut(self, *, after: int | None = None, direction: Direction = Direction.CLIENT, reset: bool = False) -> None:
        """End connections on both sides.

        Args:
            after: End one connection, after so many more bytes in one direction over all connections; the connection
                with the last of these bytes ends. With 0 a connection ends instead of passing on its next bytes. By
                default all connections end now.
            direction: The direction of those bytes.
            reset: End connections by RST, as a machine without knowledge of them does, instead of FIN, as a program
                that closes them.
        """
        if after is None:
            asyncio.run_coroutine_threadsafe(self._cut_all(reset), self._loop).result(WAIT_TIMEOUT)
        else:
            self._do(lambda: self._faults.plan(Cut(direction, after, reset)))

    # Faults of connecting

    def refuse(self) -> None:
        """Refuse connections, as if no program listened; open connections stay."""
        self._do(self._stop_listening)

    def blackhole(self) -> None:
        """Answer no request for a connection, as if the machine was gone, until `accept`. Linux only."""
        self._do(self._listen_without_accepting)

    def accept(self) -> None:
        """Accept connections again."""
        self._do(self._listen)

    def restore(self) -> None:
        """Remove all faults, and accept connections."""
        self._do(self._faults.end)
        self.accept()

    # The proxy's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, action: Callable[[], None]) -> None:
        """Run an action in the proxy's thread and wait for its end."""
        done: Future[None] = Future()

        def do() -> None:
            try:
                action()
                done.set_result(None)
            except BaseException as error:  # noqa: BLE001  # the caller raises it
                done.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        done.result(WAIT_TIMEOUT)

    async def _cut_all(self, reset: bool) -> None:
        connections = list(self._connections.values())
        for connection in connections:
            connection.cut(reset=reset)
        await asyncio.gather(*(connection.has_ended.wait() for connection in connections))

    def _listen(self) -> None:
        self._stop_listening()
        self._listener = _bound(self.host, self.port)
        self._listener.setblocking(False)
        self._listener.listen(BACKLOG)
        self._loop.add_reader(self._listener, self._accept_all, self._listener)

    def _listen_without_accepting(self) -> None:
        self._stop_listening()
        self._listener = _bound(self.host, self.port)
        self._listener.listen(0)
        # The first connection fills the queue of those to be accepted; the others make sure of it.
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

    def _accept_all(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                sock, _ = listener.accept()
                sock.setblocking(False)
                connection = ProxiedConnection(sock, self._target, self._faults)
                task = self._loop.create_task(connection.run())
                self._connections[task] = connection
                task.add_done_callback(self._forget)
                self._accepted += 1
                self._notify()

    def _forget(self, task: "asyncio.Task[None]") -> None:
        del self._connections[task]
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _wait(self, happened: Callable[[], bool], what: str, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(happened, timeout):
                raise AssertionError(f"timed out waiting for {what}: {self!r}")

    async def _end(self) -> None:
        self._stop_listening()
        await asyncio.sleep(0)  # the tasks of connections that were just accepted begin
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close their sockets


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that reserves a port; only sockets bound by this function can share it."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock
