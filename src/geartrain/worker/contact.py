# SPDX-License-Identifier: MIT
"""A worker's dealings with one server: when to connect, and one log line per outage; no I/O."""

import logging
import math

from geartrain.transport import Backoff, ServerAddress
from geartrain.worker.session import State, WorkerSession

__all__ = ["Contact"]

_logger = logging.getLogger("geartrain.worker")
_BACKOFF = Backoff()


class Contact:
    """One server, reachable or not.

    Attributes:
        session: The conversation, if there is a connection.
        due: When to connect next; never while somebody does.
        failure: Why there is no connection that works; empty at first and while there is one.
    """

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.session: WorkerSession | None = None
        self.due = -math.inf
        self.failure = ""
        self._failures = 0  # in a row
        self._works = False

    def __repr__(self) -> str:
        return f"<Contact {self.address}: {self.failure or self.session or 'new'}>"

    @property
    def is_settled(self) -> bool:
        """Whether it is known by now if the server answers; one that did not may do so later."""
        if self.failure:
            return True
        return self.session is not None and self.session.state is not State.GREETING

    def connecting(self) -> None:
        """Note that a connection is on its way."""
        self.due = math.inf

    def works(self) -> None:
        """Note that the server answers."""
        if not self._works:
            _logger.info("%s answers", self.address)
        self._works = True
        self.failure = ""
        self._failures = 0

    def failed(self, reason: str, now: float) -> None:
        """Note that there is no connection, or none any more, and plan the next one."""
        self.session = None
        self._works = False
        self._failures += 1
        self.due = now + _BACKOFF.delay(self._failures)
        log = _logger.debug if self.failure else _logger.warning
        log("%s: %s; trying again until it is back", self.address, reason)
        self.failure = reason
