# SPDX-License-Identifier: MIT
"""The connections of a server as a service: making them, and closing all of them at the end.

The sequence of the calls to the flusher at the end is here, and nowhere else.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from geartrain.core import JobServer
from geartrain.core.limits import Refused
from geartrain.core.outbox import BACKLOG, HELD, SLOW
from geartrain.protocol.limits import MAX_LINE, MAX_PACKET
from geartrain.reactor.backpressure import HOLD_TIME
from geartrain.reactor.connection import AdminOnlyConnection, Connection, ConnectionSettings, RemoteEnd
from geartrain.reactor.flusher import Flusher
from geartrain.server.config.kinds import SECONDS, SIZE
from geartrain.server.config.option import Group, option
from geartrain.server.levels import Level
from geartrain.server.listen.endpoints import describe, host_of, is_local
from geartrain.server.listen.socket_options import acknowledger
from geartrain.server.listen.tls import certificate_names
from geartrain.server.shutdown import ShutdownSequence, describe_remaining
from geartrain.wording import counted

__all__ = ["ConnectionOptions", "Connections"]

log = logging.getLogger("geartrain.server")

# A reason not to read from a peer, as those are: a bit of its own, which stays when the others are gone.
_STOPPING = 2 * max(SLOW, BACKLOG, HELD)


@dataclass(frozen=True, kw_only=True)
class ConnectionOptions:
    """Limits of one connection."""

    max_packet_size: int = option(
        MAX_PACKET,
        SIZE,
        Group.NETWORK,
        "largest packet that is accepted, such as 512K, 64M or 1G",
        reloadable=True,
        details="A larger packet gets an error, and its connection is closed. Memory is allocated as the bytes "
        "arrive, not when the header announces them.",
        example="64M",
    )
    # The largest packet, and four times as much as may wait before the server stops reading from a peer: one that lets
    # more wait has stopped reading.
    max_unsent: int = option(
        320 << 20,
        SIZE,
        Group.NETWORK,
        "close a connection if its client or worker leaves more data than this unread",
        reloadable=True,
        details="Before that, the server slows down the workers that send results to this client; see "
        "--backpressure-time.",
        example="256M",
    )
    # Closing at once, while data of the peer is still on the way, would make the kernel discard the last reply.
    linger_timeout: float = option(
        2.0,
        SECONDS,
        Group.NETWORK,
        "before a connection is closed, seconds to wait until the client or worker has read the last reply",
        reloadable=True,
        details="If the server closed the connection at once, while data from the other side is on its way, the system "
        "would discard the last reply.",
        example="1",
    )
    backpressure_time: float = option(
        HOLD_TIME,
        SECONDS,
        Group.NETWORK,
        "when a client reads too slowly, seconds that the server reads nothing from the workers that send to it",
        details="A pause begins when 16M of results wait for the client, and again after each further 16M. During the "
        "pause, the server reads nothing from the workers that run jobs of this client. So these results do not fill "
        "the memory. The pause ends earlier when the client has read its results.",
        example="10",
    )
    max_text_line: int = option(
        MAX_LINE,
        SIZE,
        Group.LIMITS,
        "longest line of a text command that is accepted",
        reloadable=True,
        details="A longer line gets an error, and its connection is closed.",
        example="16K",
    )


class Connections:
    """All connections of a server, on sockets and inside the process.

    Args:
        job_server: The core.
        flusher: Sends the replies of the core.
        shutdown: The time limits of the end.
        options: The limits of each connection.
    """

    def __init__(
        self, job_server: JobServer, flusher: Flusher, shutdown: ShutdownSequence, options: ConnectionOptions
    ) -> None:
        self._job_server = job_server
        self._flusher = flusher
        self._shutdown = shutdown
        self._options = options

    def reload(self, options: ConnectionOptions) -> None:
        """Apply other limits: that of unsent bytes to all connections, those of packets and lines to new ones."""
        self._options = options
        self._flusher.change_limit(options.max_unsent)

    def create(
        self, fd: int, address: object, closed: Callable[[], None], *, is_admin_only: bool = False
    ) -> Connection:
        """Return a new connection, to be given to a transport.

        Args:
            fd: The descriptor that listings show.
            address: The address of the peer.
            closed: Called at the end of the connection.
            is_admin_only: The connection is over the limit, and is for text commands alone.
        """
        made = AdminOnlyConnection if is_admin_only else Connection
        options = self._options
        remote = RemoteEnd(describe(address), host_of(address), fd, is_local(address))
        settings = ConnectionSettings(
            max_packet=options.max_packet_size, max_line=options.max_text_line, linger=options.linger_timeout
        )
        return made(self._flusher, remote, settings, certificate_names, acknowledger, closed)

    def refuse(self, host: str, refusal: Refused) -> bytes:
        """Count a connection that is refused, and return the packet with the reason."""
        self._flusher.schedule()
        return self._job_server.reject(host, refusal)

    def pause_reading(self) -> None:
        """Read nothing more from any peer."""
        for outlet in self._flusher.outlets:
            outlet.pause_reading(_STOPPING)

    def _abort(self) -> None:
        """Close all connections at once, and drop what was not sent."""
        for outlet in self._flusher.outlets:
            outlet.abort()

    def unsent(self) -> tuple[int, int]:
        """Return the number of bytes that wait to be sent, and that of peers for which they wait."""
        sizes = [outlet.unsent() for outlet in self._flusher.outlets]
        return sum(sizes), sum(size > 0 for size in sizes)

    async def start(self) -> None:
        """Connections need no start."""

    def drain(self, deadline: float) -> None:
        """Wait for running jobs, assign no others, and close the connections of all other peers."""
        self._flusher.schedule()
        self._job_server.drain()
        remaining = describe_remaining(
            self._job_server.running(), self._job_server.commit_queue.pending, *self.unsent()
        )
        if remaining:
            timeout = self._shutdown.drain_timeout
            limit = f" for up to {counted(timeout, 'second')}" if deadline < math.inf else ""
            log.log(Level.NOTICE, "Draining%s, waiting for %s", limit, remaining)

    async def stop(self) -> None:
        """Close all connections; peers have some time to read the last replies."""
        flusher, job_server = self._flusher, self._job_server
        job_server.send_results()
        flusher.flush()
        running, unstored = job_server.running(), job_server.commit_queue.pending
        for outlet in flusher.outlets:
            outlet.close()
        unsent, peers = 0, 0
        closed = asyncio.ensure_future(flusher.is_empty.wait())
        if not await self._shutdown.wait_for(closed, self._shutdown.flush_timeout):
            unsent, peers = self.unsent()
            self._abort()
            await closed
        flusher.stop()
        self._log_remaining(describe_remaining(running, unstored, unsent, peers))

    def _log_remaining(self, remaining: str) -> None:
        if remaining:
            log.warning("Abandoned: %s", remaining)
        stored, lost = self._job_server.background_jobs()
        if stored:
            stay = counted(stored, "background job stays", "background jobs stay")
            log.log(Level.NOTICE, "%s in the store", stay)
        if lost:
            log.warning("Lost %s that no store has", counted(lost, "background job"))
