# SPDX-License-Identifier: MIT
"""The connection of an asyncio worker to one server, and the task that makes it again."""

import asyncio
import logging
from collections.abc import Callable
from ssl import SSLContext

from geartrain.errors import NoServerAvailable
from geartrain.transport.aio import connect
from geartrain.worker.aio.connection import WorkerConnection
from geartrain.worker.options import WorkerOptions
from geartrain.worker.serverstate import ServerState

__all__ = ["Connector"]

_logger = logging.getLogger("geartrain.worker")


class Connector:
    """Connects to one server.

    Attributes:
        server: The state of the server.
        connection: The connection, if there is one.
    """

    def __init__(self, server: ServerState, options: WorkerOptions, tls: SSLContext | None) -> None:
        self.server = server
        self.connection: WorkerConnection | None = None
        self._options = options
        self._tls = tls
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Connector {self.server!r}>"

    def connect(
        self,
        make: Callable[["Connector"], WorkerConnection],
        failed: Callable[["Connector", str], None],
        interrupted: Callable[[], object],
    ) -> None:
        """Connect in a task of its own.

        Args:
            make: Makes a connection for this connector, which reports itself when it is open.
            failed: Called with this connector and the reason of a failure.
            interrupted: Called if the task was interrupted by a signal handler, so that neither was called.
        """
        self.server.connecting()
        name = f"geartrain connects to {self.server.address}"
        self._task = asyncio.create_task(self._connect(make, failed), name=name)
        self._task.add_done_callback(
            lambda task: interrupted() if not task.cancelled() and task.exception() is not None else None
        )

    async def leave(self) -> None:
        """Stop connecting, and end the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self.connection is not None:
            await self.connection.leave()

    def close(self) -> None:
        """Stop connecting, and close the connection at once."""
        if self._task is not None:
            self._task.cancel()
        if self.connection is not None:
            self.connection.close()

    async def _connect(
        self, make: Callable[["Connector"], WorkerConnection], failed: Callable[["Connector", str], None]
    ) -> None:
        options, address = self._options, self.server.address
        try:
            transport, connection = await connect(
                lambda: make(self), address, tls=self._tls, timeout=options.connect_timeout, keepalive=options.keepalive
            )
            if not connection.is_known:
                transport.abort()
                failed(self, "the event loop was interrupted while it connected")
        except NoServerAvailable as error:
            failed(self, str(error))
        except Exception as error:
            _logger.exception("%s: connecting failed with an unexpected error", address)
            failed(self, str(error))  # or the server would never be tried again
