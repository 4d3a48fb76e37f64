# SPDX-License-Identifier: MIT
"""The state of one server for a worker: connected, or waiting for the next attempt; no I/O."""

import logging
import math

from geartrain.transport import Backoff, ServerAddress
from geartrain.worker.session import State, WorkerSession

__all__ = ["ServerState"]

_logger = logging.getLogger("geartrain.worker")


class ServerState:
    """One server, connected or in back-off; each outage is logged once.

    Args:
        address: The server's address.
        backoff: The waits between attempts to reach it.

    Attributes:
        session: The session, while there is a connection.
        due: The time of the next attempt to connect; infinity while one is under way.
        is_retiring: True if the connection closes as soon as its jobs have ended, and another one has taken its place.
        failure: The reason why there is no working connection; empty at first and while there is one.
    """

    def __init__(self, address: ServerAddress, backoff: Backoff) -> None:
        self.address = address
        self.session: WorkerSession | None = None
        self.due = -math.inf
        self.is_retiring = False
        self.failure = ""
        self._backoff = backoff
        self._failures = 0  # in a row
        self._works = False

    def __repr__(self) -> str:
        return f"<ServerState {self.address}: {self.failure or self.session or 'new'}>"

    @property
    def is_settled(self) -> bool:
        """True if the server has answered, or an attempt to reach it has failed."""
        if self.failure:
            return True
        return self.session is not None and self.session.state is not State.GREETING

    def retire(self, now: float) -> "ServerState":
        """Let the connection close once its jobs have ended, and return the state for another one to the same server.

        That one is made after the first wait of a back-off, which limits the rate of connections if each job kills its
        process.
        """
        assert self.session is not None, "there is a connection"
        self.session.retire()
        self.is_retiring = True
        successor = ServerState(self.address, self._backoff)
        successor.due = now + self._backoff.delay(1)
        return successor

    def connecting(self) -> None:
        """Record that an attempt to connect is under way."""
        self.due = math.inf

    def works(self) -> None:
        """Record that the server answers."""
        if not self._works:
            _logger.log(logging.INFO if self.failure else logging.DEBUG, "%s answers", self.address)
        self._works = True
        self.failure = ""
        self._failures = 0

    def failed(self, reason: str, now: float) -> None:
        """Record that the connection failed or was lost, and schedule the next attempt."""
        self.session = None
        self._works = False
        self._failures += 1
        self.due = now + self._backoff.delay(self._failures)
        log = _logger.debug if self.failure else _logger.warning
        log("%s: %s; trying again until it is back", self.address, reason)
        self.failure = reason
