# SPDX-License-Identifier: MIT
"""The job server as an object of a program.

::

    async with Server(ServerOptions(port=0)) as server:
        print(server.addresses)
        await server.serve_until_stopped()

It installs no signal handlers, sets no log levels and reads no environment: that is for `geartrain.cli.gearmand`.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from types import TracebackType

from geartrain.core import Clock, Durability, JobServer, JobServerOptions, Shutdown
from geartrain.protocol import Command, request, response
from geartrain.reactor.flusher import Flusher
from geartrain.server.config.reloadable import reloaded
from geartrain.server.connections import Connections
from geartrain.server.core_options import core_options
from geartrain.server.durability.store import choose_store
from geartrain.server.durability.store_service import StoreService
from geartrain.server.levels import Level, name_levels, verbosity
from geartrain.server.listen.acceptor import Acceptor
from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.listen.sockets import close, listen, release
from geartrain.server.listen.tls import tls_context
from geartrain.server.local import LocalPeer
from geartrain.server.options import ServerOptions
from geartrain.server.service import Service
from geartrain.server.shutdown import ShutdownSequence
from geartrain.server.startlog import log_start
from geartrain.storage import Store, StoreError

__all__ = ["Server"]

log = logging.getLogger("geartrain.server")


class Server:
    """A Gearman job server.

    Args:
        options: The options.
        store: A store to use in place of the one that the options name.
        clock: The source of time of the core.
        sockets: Sockets that listen already, to use in place of those that the options name. The server closes them,
            and leaves their files alone.
    """

    def __init__(
        self,
        options: ServerOptions | None = None,
        *,
        store: Store | None = None,
        clock: Clock = time,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self._options = options or ServerOptions()
        self._given_store = store
        self._given_sockets = list(sockets)
        self._clock = clock
        self._services: list[Service] = []  # in the order of their start
        self._is_closed = False
        self._store: StoreService | None = None
        self._durability = Durability.NONE
        self._job_server: JobServer
        self._flusher: Flusher
        self._connections: Connections
        self._acceptor: Acceptor
        self._shutdown: ShutdownSequence

    @property
    def addresses(self) -> list[Endpoint]:
        """The addresses that the server listens on."""
        return self._acceptor.endpoints

    @property
    def is_stuck(self) -> bool:
        """True if the server has stopped while a thread still waits for its store."""
        return self._store is not None and self._store.is_stuck

    async def bind(self) -> None:
        """Read the TLS files and open the sockets: all that may need more rights than serving does.

        Raises:
            TLSError: A file, or an option of TLS, is wrong.
            BindError: An address cannot be listened on.
            StoreError: The store needs a library that is not installed.
        """
        options = self._options
        tls = tls_context(options, options.access)
        sockets = self._given_sockets or await listen(options)
        free = close if self._given_sockets else release  # the one who made them also removes their files
        try:
            store = self._given_store or choose_store(options, [Endpoint.of(each) for each in sockets], options.port)
        except StoreError:
            free(sockets)
            raise
        self._durability = options.durability if store is not None else Durability.NONE
        self._job_server = JobServer(self._core_options(options), self._clock)
        loop = asyncio.get_running_loop()
        self._flusher = Flusher(self._job_server, loop, options.max_unsent, self._after_turn, options.backpressure_time)
        self._shutdown = ShutdownSequence(self._job_server, self._flusher, self._drain, options)
        self._connections = Connections(self._job_server, self._flusher, self._shutdown, options)
        self._services.append(self._connections)
        if store is not None and self._durability is not Durability.NONE:
            self._store = StoreService(
                store, self._job_server, self._flusher, self._connections, self._shutdown, options
            )
            self._services.append(self._store)
        self._acceptor = Acceptor(sockets, free, self._connections, options, tls)
        self._services.append(self._acceptor)

    async def open_store(self) -> None:
        """Open the store, after `bind`; `start` does so otherwise. Waits for a database that is starting.

        Raises:
            StoreError: The store cannot be used.
        """
        if self._store is not None:
            await self._store.open()

    async def start(self) -> None:
        """Serve from now on. Opens the sockets first, unless `bind` has done so; raises the errors of that.

        Raises:
            StoreError: The store cannot be used. Everything is closed then.
        """
        if not self._services:
            await self.bind()
        name_levels()
        log_start(self._options, has_store=self._store is not None)
        try:
            for service in self._services:
                await service.start()
        except BaseException:
            await self.close()
            raise

    def stop(self, *, graceful: bool = False, reason: str = "this program") -> None:
        """Stop: at once, or when the running jobs have ended, however long that takes.

        Other peers are disconnected as by `drain`. A second request to stop at once does not wait for peers that do
        not read, nor for a slow store.

        Args:
            graceful: True to wait for the running jobs.
            reason: The one who stops the server, such as the name of a signal; it is in the log.
        """
        self._shutdown.request(Shutdown.GRACEFUL if graceful else Shutdown.NOW, reason)

    def drain(self, *, reason: str = "this program") -> None:
        """Stop when the running jobs have ended, or ``drain_timeout`` is over; no other is assigned or accepted.

        Peers that have nothing to do with these jobs are disconnected at once, so that they can use other servers. A
        second request, of any kind but graceful, does not wait.

        Args:
            reason: As for `stop`.
        """
        self._shutdown.request(Shutdown.DRAIN, reason)

    def reload(self, options: ServerOptions) -> None:
        """Use the limits, rules and TLS files of other options from now on.

        No connection is dropped: rules apply to all connections, certificates and limits of packets to new ones.
        Options that cannot change while the server runs stay as they are.

        Raises:
            TLSError: A file, or an option of TLS, is wrong. Everything stays as it was.
        """
        options = reloaded(self._options, options)
        tls = tls_context(options, options.access)
        self._options = options
        self._flusher.schedule()
        self._acceptor.reload(options, tls)
        self._connections.reload(options)
        self._job_server.change_options(self._core_options(options))

    def connect(self, address: object = "") -> LocalPeer:
        """Connect a peer inside the process, which needs no socket. The server must have been started.

        Args:
            address: The address that rules, listings and the log see: host and port, or a path. An empty one is local,
                as that of a socket in the file system.
        """
        return LocalPeer(lambda closed: self._connections.create(_NO_DESCRIPTOR, address, closed), address)

    async def check(self) -> None:
        """Return when the server has answered a peer inside the process; at once if it has been told to stop.

        Raises:
            ConnectionError: It did not answer.
        """
        if self._shutdown.has_begun:
            return
        async with self.connect() as peer:
            await peer.send(request(Command.ECHO_REQ, _CHECK))
            answer = await peer.receive()
        if answer != response(Command.ECHO_RES, _CHECK) and not self._shutdown.has_begun:
            raise ConnectionError(f"the server answered a check with {answer!r}")

    async def serve_until_stopped(self) -> None:
        """Return when the server has stopped and all connections are closed.

        Raises:
            Exception: The jobs of an earlier run could not be read; a `StoreError`, unless it is a bug.
        """
        await self._shutdown.is_due.wait()
        await self.close()
        if self._store is not None and self._store.failure is not None:
            raise self._store.failure

    async def close(self) -> None:
        """Stop at once; peers have some time to read the last replies. A second call has no effect."""
        if self._is_closed:
            return
        self._is_closed = True
        async with contextlib.AsyncExitStack() as stack:  # stops all of them, in reverse, also if one fails
            for service in self._services:
                stack.push_async_callback(service.stop)
        if self._services:
            self._job_server.close()
        log.log(Level.NOTICE, "Shutdown complete")

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _drain(self, deadline: float) -> None:
        for service in reversed(self._services):
            service.drain(deadline)

    def _after_turn(self) -> None:
        """Store what was decided, and look whether it is time to stop, each time that all replies have been sent."""
        if self._store is not None:
            self._store.look()
        self._shutdown.look()

    def _core_options(self, options: ServerOptions) -> JobServerOptions:
        return core_options(options, verbosity=verbosity(options), durability=self._durability)


# The descriptor in listings of a peer that has no socket.
_NO_DESCRIPTOR = -1
_CHECK = b"check"
