# SPDX-License-Identifier: MIT
"""The connection of a blocking worker to one server, and the threads that make it again."""

import logging
import socket
import threading
from collections.abc import Callable
from ssl import SSLContext
from typing import TypeAlias

from geartrain.errors import NoServerAvailable
from geartrain.transport import connect
from geartrain.worker.options import WorkerOptions
from geartrain.worker.serverstate import ServerState
from geartrain.worker.sync.connection import WorkerConnection

__all__ = ["Connector", "Outcome"]

Outcome: TypeAlias = socket.socket | NoServerAvailable

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

    def __repr__(self) -> str:
        return f"<Connector {self.server!r}>"

    def connect(self, done: Callable[["Connector", Outcome], None]) -> None:
        """Connect in a thread of its own, which may wait for a resolver or a machine.

        Args:
            done: Called in that thread with this connector and the socket, or the reason of the failure.
        """
        self.server.connecting()
        name = f"geartrain connects to {self.server.address}"
        threading.Thread(target=self._connect, args=(done,), name=name, daemon=True).start()

    def _connect(self, done: Callable[["Connector", Outcome], None]) -> None:
        options, address = self._options, self.server.address
        try:
            sock = connect(address, tls=self._tls, timeout=options.connect_timeout, keepalive=options.keepalive)
        except NoServerAvailable as error:
            done(self, error)
        except Exception as error:
            _logger.exception("%s: connecting failed with an unexpected error", address)
            done(self, NoServerAvailable(str(error)))  # or the server would never be tried again
        else:
            done(self, sock)
