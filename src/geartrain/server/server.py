# SPDX-License-Identifier: MIT
"""The job server as an object of a program.

::

    async with Server(ServerOptions(port=0)) as server:
        print(server.addresses)
        await server.serve_until_stopped()

It installs no signal handlers, sets no log levels and reads no environment: that is for `geartrain.cli.gearmand`.
"""

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from zoneinfo import ZoneInfo

from geartrain._version import __version__
from geartrain.core import IS_COMPILED, Clock, Durability, JobServer, JobServerOptions, Shutdown
from geartrain.core.limits import Refused
from geartrain.core.outbox import HELD
from geartrain.reactor.connection import AdminOnlyConnection, Connection, ConnectionSettings, RemoteEnd
from geartrain.reactor.flusher import Flusher
from geartrain.server.admission import GUEST_TIME, LAST_GUEST_TIME, Admission, Place, turn_away
from geartrain.server.binding import listen, release
from geartrain.server.committer import Committer
from geartrain.server.config.options import ServerOptions
from geartrain.server.config.reload import reloaded
from geartrain.server.config.values import NO_STORE
from geartrain.server.departure import Departure
from geartrain.server.endpoints import Endpoint, describe, host_of, is_local
from geartrain.server.listener import Listener
from geartrain.server.logs import Level
from geartrain.server.places import default_store_file
from geartrain.server.refusals import Refusals
from geartrain.server.tls import TLSError, Verify, certificate_names, server_context
from geartrain.server.tuning import acknowledger, tune
from geartrain.storage import SQLiteStore, Store, StoreError, open_store

__all__ = ["Server", "tls_context"]

log = logging.getLogger("geartrain.server")

# Seconds that letting a peer in takes at most, unless it has yet to begin with TLS.
_ARRIVAL = 0.2
# Seconds that a peer has to end TLS in good form.
_TLS_FAREWELL = 5.0


class Server:
    """A Gearman job server.

    Args:
        options: What can be chosen.
        clock: Where the time comes from.
        sockets: Sockets that listen already, which the server uses instead of those that the options name.

    Attributes:
        is_stuck: Whether it has ended although its store has not; a thread still waits for that.
    """

    def __init__(
        self, options: ServerOptions | None = None, *, clock: Clock = time, sockets: Sequence[socket.socket] = ()
    ) -> None:
        self._options = options or ServerOptions()
        self._given = list(sockets)
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._listeners: list[Listener] = []
        self._arrivals: set[asyncio.Task[None]] = set()
        self._admission = Admission(self._options)
        self._refusals = Refusals()
        self._stopped = asyncio.Event()
        self._is_closed = False
        self.is_stuck = False
        self._store: Store | None = None
        self._committer: Committer | None = None
        self._restoring: asyncio.Task[None] | None = None
        self._failure: StoreError | None = None
        self._job_server: JobServer
        self._pump: Flusher
        self._departure: Departure

    @property
    def addresses(self) -> list[Endpoint]:
        """Where the server listens."""
        return [_endpoint(listening) for listening in self._sockets]

    async def bind(self) -> None:
        """Read the files of TLS and take the ports: all that may need more rights than serving does.

        Raises:
            TLSError: A file is not what it should be.
            BindError: An address is not to be had.
        """
        self._tls = tls_context(self._options)
        self._sockets = self._given or await listen(self._options)
        self._store = _store(self._options, self._sockets)
        self._job_server = JobServer(_core_options(self._options), self._clock)
        self._pump = Flusher(self._job_server, asyncio.get_running_loop(), self._options.max_unsent, self._after_turn)
        self._departure = Departure(self._job_server, self._pump, self._options)

    async def start(self) -> None:
        """Serve from now on. Takes the ports first, unless `bind` has done so; raises what that raises.

        Raises:
            StoreError: The store cannot be had.
        """
        if not self._sockets:
            await self.bind()
        await self._open_store()
        verbosity = _verbosity(self._options)
        how = "compiled" if IS_COMPILED else "interpreted"
        log.log(Level.NOTICE, "Starting up with pid %d, verbose is set to %s, %s", os.getpid(), verbosity, how)
        self._listeners = [Listener(listening, self._accept, self._accept_last) for listening in self._sockets]
        for listening in self._sockets:
            log.log(Level.NOTICE, "Listening on %s (%d)", _endpoint(listening), listening.fileno())

    def stop(self, *, graceful: bool = False) -> None:
        """Stop: at once, or when no job is left. Connections stay until then, and may even submit more.

        Who asks twice to stop at once does not want to wait for peers that do not read, nor for a slow store.
        """
        self._leave(Shutdown.GRACEFUL if graceful else Shutdown.NOW)

    def drain(self) -> None:
        """Stop when the jobs that run have ended, or ``drain_timeout`` is over; no other is handed out or taken.

        Peers that have nothing to do with these jobs are sent away at once, so that they can go to other servers. Who
        asks a second time, in whatever way, does not want to wait.
        """
        self._leave(Shutdown.DRAIN)

    def reload(self, options: ServerOptions) -> None:
        """Go by the limits and rules of these options from now on, and read the files of TLS anew.

        Nobody is dropped: rules are for all, certificates and what concerns sockets and packets for those who come.
        Options that cannot change while the server runs are left alone.

        Raises:
            TLSError: A file is not what it should be. Everything stays as it was.
        """
        options = reloaded(self._options, options)
        tls = tls_context(options)
        self._options = options
        self._tls = tls
        self._admission.change_limits(options)
        self._pump.schedule()
        self._pump.change_limit(options.max_unsent)
        self._job_server.change_options(_core_options(options))
        self._pump.schedule()

    async def serve_until_stopped(self) -> None:
        """Return when the server has stopped and all connections are closed.

        Raises:
            StoreError: The jobs of an earlier run could not be read.
        """
        await self._stopped.wait()
        await self.close()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """End at once; what has been written still leaves if its peers take it. Does no harm a second time."""
        if self._is_closed:
            return
        self._is_closed = True
        departure = self._departure
        self._stop_listening()
        await self._turn_away()
        self._pump.flush()
        await self._close_store()
        running, unstored = self._job_server.running(), self._job_server.commit_queue.pending
        for outlet in self._pump.outlets:
            outlet.close()
        unsent, peers = 0, 0
        try:
            await asyncio.wait_for(self._pump.is_empty.wait(), departure.farewell)
        except TimeoutError:
            unsent, peers = departure.unsent()
            self._abort()
            await self._pump.is_empty.wait()
        self._pump.stop()
        departure.tell_end(running, unstored, unsent, peers)
        log.log(Level.NOTICE, "Shutdown complete")

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _leave(self, how: Shutdown) -> None:
        self._departure.ask(how)
        if self._is_closed and self._departure.hurry.is_set():
            self._abort()
        self._pump.schedule()

    async def _open_store(self) -> None:
        """Open the store, and let its jobs come back while peers are served already."""
        if self._store is None:
            return
        opened = await self._store.open()
        self._committer = Committer(
            self._store,
            self._job_server,
            self._pump.schedule,
            interval=self._options.store_within if self._options.durability is Durability.RELAXED else 0.0,
        )
        self._job_server.begin_restoring(opened.created)
        self._restoring = asyncio.get_running_loop().create_task(self._restore(self._committer))

    async def _restore(self, committer: Committer) -> None:
        begun = time.monotonic()
        try:
            restored = await committer.restore()
        except StoreError as error:
            log.log(Level.FATAL, "Could not read the jobs of an earlier run: %s", error)
            self._failure = error
            self.stop()
            return
        await committer.reserve()
        self._job_server.end_restoring()
        if restored:
            log.log(Level.NOTICE, "Restored %d jobs in %.1f seconds", restored, time.monotonic() - begun)
        committer.start()
        self._pump.schedule()

    async def _close_store(self) -> None:
        """Store what has been decided up to now; nothing more is read from any peer."""
        committer = self._committer
        if committer is None:
            return
        for outlet in self._pump.outlets:
            outlet.pause_reading(HELD)
        if self._restoring is not None and not self._restoring.done():
            self._restoring.cancel()
            await asyncio.wait([self._restoring])
        elif self._failure is None:
            self._job_server.store_last()
        self.is_stuck = not await self._departure.is_over(committer.stop())
        self._committer = None
        self._pump.flush()

    def _after_turn(self) -> None:
        """Let the store know, and look whether it is time to stop, each time that everything has been sent."""
        if self._committer is not None:
            self._committer.look()
        departure = self._departure
        wish = self._job_server.shutdown_requested  # of a peer
        if departure.how is None and wish is None:
            return
        self._stop_listening()
        if departure.is_due(wish):
            self._stopped.set()

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.stop()
        if self._given:  # whoever made them also removes what is in the file system
            for listening in self._sockets:
                listening.close()
        else:
            release(self._sockets)
        self._listeners = []
        self._sockets = []

    async def _turn_away(self) -> None:
        """Wait for those who are being let in, but not for a TLS handshake; half let in, nobody would let them out."""
        if self._arrivals:
            await asyncio.wait(self._arrivals, timeout=_ARRIVAL)
        for arrival in self._arrivals:
            arrival.cancel()
        self._refusals.stop()

    def _abort(self) -> None:
        for outlet in self._pump.outlets:
            outlet.abort()

    def _accept(self, accepted: socket.socket, address: object, *, is_short: bool = False) -> None:
        try:
            place = self._admission.enter(address, is_short=is_short)
        except Refused as refusal:
            message = self._job_server.reject(host_of(address), refusal)
            if self._tls is None:
                turn_away(accepted, message)
            elif is_short or not self._refusals.has_room:
                turn_away(accepted, b"")
            else:
                self._refusals.tell(accepted, self._tls, message)
            self._pump.schedule()
            return
        arrival = asyncio.get_running_loop().create_task(self._welcome(accepted, address, place))
        self._arrivals.add(arrival)
        arrival.add_done_callback(self._arrivals.discard)

    def _accept_last(self, accepted: socket.socket, address: object) -> None:
        self._accept(accepted, address, is_short=True)

    async def _welcome(self, accepted: socket.socket, address: object, place: Place) -> None:
        """Make a connection of an accepted socket. With TLS it takes as long as the peer does; nobody waits for it."""
        name = describe(address)
        options = self._options
        made = AdminOnlyConnection if place.is_guest else Connection
        remote = RemoteEnd(name, host_of(address), accepted.fileno(), is_local(address))
        settings = ConnectionSettings(options.max_packet_size, options.max_text_line)
        loop = asyncio.get_running_loop()
        try:
            tune(accepted, self._options)
            transport, _ = await loop.connect_accepted_socket(  # type: ignore[type-var]  # a protocol, but not by name
                lambda: made(self._pump, remote, settings, certificate_names, acknowledger, place.leave),
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=self._options.handshake_timeout if self._tls else None,
                ssl_shutdown_timeout=_TLS_FAREWELL if self._tls else None,
            )
        except OSError as error:
            accepted.close()
            place.leave()
            log.info("Lost %s before it was connected: %s", name, error)
            return
        if place.is_guest:
            loop.call_later(LAST_GUEST_TIME if place.is_last else GUEST_TIME, transport.abort)


def tls_context(options: ServerOptions) -> ssl.SSLContext | None:
    """Return what the options say of TLS, or None without ``--ssl``; raises `TLSError`."""
    if options.ssl_verify is Verify.NONE and options.access is not None and options.access.certificates:
        raise TLSError("rules of access by certificate need --ssl-verify=optional or required")
    if not options.ssl:
        if options.ssl_verify is not Verify.NONE:
            raise TLSError(
                f"--ssl-verify={options.ssl_verify.value} needs --ssl: there are no certificates without TLS"
            )
        return None
    return server_context(options.ssl_certificate, options.ssl_key, options.ssl_ca_file, options.ssl_verify)


def _endpoint(listening: socket.socket) -> Endpoint:
    address = listening.getsockname()
    return Endpoint(path=address) if isinstance(address, str) else Endpoint(address[0], address[1])


def _store(options: ServerOptions, listening: list[socket.socket]) -> Store | None:
    if not _is_durable(options):
        return None
    if options.store is not None:
        return open_store(options.store)
    first = _endpoint(listening[0])
    return SQLiteStore(default_store_file(os.environ, first.path or first.port or options.port))


def _is_durable(options: ServerOptions) -> bool:
    """Tell whether there is a store. A server on whatever port is free would not find one again, so it has none."""
    if options.durability is Durability.NONE or options.store == NO_STORE:
        return False
    return options.store is not None or options.port != 0


def _verbosity(options: ServerOptions) -> str:
    return (options.verbose or Level.ERROR).name


def _core_options(options: ServerOptions) -> JobServerOptions:
    return JobServerOptions(
        handle_prefix=options.job_handle_prefix.encode(),
        version=__version__,
        pid=os.getpid(),
        verbosity=_verbosity(options),
        worker_wakeup=options.worker_wakeup,
        rearm_after=options.rearm_after,
        job_retries=options.job_retries,
        exceptions=options.exceptions,
        priority_scope=options.priority_scope,
        round_robin=options.round_robin,
        allow_shutdown=options.allow_shutdown,
        timezone=ZoneInfo(options.timezone),
        job_timeout=options.job_timeout,
        max_memory=options.max_memory,
        max_functions=options.max_functions,
        function_expiry=options.function_expiry,
        max_jobs_per_connection=options.max_jobs_per_connection,
        probe_after=options.probe_after,
        stall_after=options.stall_after,
        stall_busy_after=options.stall_busy_after,
        access=options.access,
        text_reads=options.text_reads,
        text_changes=options.text_changes,
        durability=options.durability if _is_durable(options) else Durability.NONE,
    )
