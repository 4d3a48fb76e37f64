# SPDX-License-Identifier: MIT
"""A blocking worker's hold on one server: the connection, and threads that make the next one."""

import logging
import socket
import threading
from collections.abc import Callable
from ssl import SSLContext
from typing import TypeAlias

from geartrain.errors import NoServerAvailable
from geartrain.transport import connect
from geartrain.worker.contact import Contact
from geartrain.worker.options import WorkerOptions
from geartrain.worker.sync.connection import Connection

__all__ = ["Link", "Outcome"]

Outcome: TypeAlias = socket.socket | NoServerAvailable

_logger = logging.getLogger("geartrain.worker")


class Link:
    """One server, and how to reach it.

    Attributes:
        contact: What is known of the server.
        connection: The connection, if there is one.
    """

    def __init__(self, contact: Contact, options: WorkerOptions, tls: SSLContext | None) -> None:
        self.contact = contact
        self.connection: Connection | None = None
        self._options = options
        self._tls = tls

    def __repr__(self) -> str:
        return f"<Link {self.contact!r}>"

    def connect(self, done: Callable[["Link", Outcome], None]) -> None:
        """Connect in a thread of its own: it may wait for a resolver, or for a machine that is gone.

        Args:
            done: Called in that thread with this link and the socket, or the reason why there is none.
        """
        self.contact.connecting()
        name = f"geartrain connects to {self.contact.address}"
        threading.Thread(target=self._connect, args=(done,), name=name, daemon=True).start()

    def _connect(self, done: Callable[["Link", Outcome], None]) -> None:
        options, address = self._options, self.contact.address
        try:
            sock = connect(address, tls=self._tls, timeout=options.connect_timeout, keepalive=options.keepalive)
        except NoServerAvailable as error:
            done(self, error)
        except Exception as error:
            _logger.exception("%s: connecting failed in an unforeseen way", address)
            done(self, NoServerAvailable(str(error)))  # or nobody would try again
        else:
            done(self, sock)
