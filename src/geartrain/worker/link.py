# SPDX-License-Identifier: MIT
"""A blocking worker's hold on one server: connect, and connect again, with patience and one log line per outage."""

import logging
import math
import socket
import threading
from collections.abc import Callable
from ssl import SSLContext
from typing import TypeAlias

from geartrain.errors import NoServerAvailable
from geartrain.transport import Backoff, ServerAddress, connect
from geartrain.worker.connection import Connection
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import State

__all__ = ["Link", "Outcome"]

Outcome: TypeAlias = socket.socket | NoServerAvailable

_logger = logging.getLogger("geartrain.worker")
_BACKOFF = Backoff()


class Link:
    """One server, reachable or not.

    Attributes:
        connection: The connection, if there is one.
        due: When to connect next.
        failure: Why there is no connection that works; empty at first and while there is one.
    """

    def __init__(self, address: ServerAddress, options: WorkerOptions, tls: SSLContext | None) -> None:
        self.address = address
        self.connection: Connection | None = None
        self.due = -math.inf
        self.failure = ""
        self._failures = 0  # in a row
        self._works = False
        self._options = options
        self._tls = tls

    def __repr__(self) -> str:
        return f"<Link {self.address}: {self.failure or self.connection or 'new'}>"

    @property
    def is_settled(self) -> bool:
        """Whether it is known by now if the server answers; one that did not may do so later."""
        if self.failure:
            return True
        return self.connection is not None and self.connection.session.state is not State.GREETING

    def connect(self, done: Callable[[Outcome], None]) -> None:
        """Connect in a thread of its own: it may wait for a resolver, or for a machine that is gone.

        Args:
            done: Called in that thread with the socket, or the reason why there is none.
        """
        self.due = math.inf
        name = f"geartrain connects to {self.address}"
        threading.Thread(target=self._connect, args=(done,), name=name, daemon=True).start()

    def works(self) -> None:
        """Note that the server answers."""
        if not self._works:
            _logger.info("%s answers", self.address)
        self._works = True
        self.failure = ""
        self._failures = 0

    def failed(self, reason: str, now: float) -> None:
        """Note that there is no connection, or none any more, and plan the next one."""
        self.connection = None
        self._works = False
        self._failures += 1
        self.due = now + _BACKOFF.delay(self._failures)
        log = _logger.debug if self.failure else _logger.warning
        log("%s: %s; trying again until it is back", self.address, reason)
        self.failure = reason

    def _connect(self, done: Callable[[Outcome], None]) -> None:
        options = self._options
        try:
            done(connect(self.address, tls=self._tls, timeout=options.connect_timeout, keepalive=options.keepalive))
        except NoServerAvailable as error:
            done(error)
        except Exception as error:
            _logger.exception("%s: connecting failed in an unforeseen way", self.address)
            done(NoServerAvailable(str(error)))  # or nobody would try again
