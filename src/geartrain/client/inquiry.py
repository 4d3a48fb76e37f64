# SPDX-License-Identifier: MIT
"""Requests other than submissions: the status of a job, and an echo. The shells send them."""

from collections.abc import Callable
from typing import Protocol

from geartrain.client.request import handle_bytes, unique_bytes
from geartrain.client.session import Session
from geartrain.client.ticket import Ticket
from geartrain.names import Text
from geartrain.records import Handle, JobStatus

__all__ = ["Inquiry", "Ping", "StatusInquiry"]


class Inquiry(Protocol):
    """A request for one answer.

    Attributes:
        server: The address of the only server to ask; empty for any.
    """

    server: str

    def compose(self, session: Session[Ticket], ticket: Ticket) -> bytes:
        """Send it on a session, and return the bytes."""


class StatusInquiry:
    """A request for the status of a job, by its handle or by its unique.

    Attributes:
        server: The address of the server that assigned the handle, if it is known.

    Raises:
        ValueError: Both are given, or neither.
        LocalProtocolError: The handle or the unique is not allowed by the protocol.
    """

    def __init__(self, handle: Handle | str | None, unique: Text | None) -> None:
        if (handle is None) == (unique is None):
            raise ValueError("a status request needs either a handle or a unique")
        self.server = handle.server if isinstance(handle, Handle) else ""
        self._handle = handle_bytes(str(handle)) if handle is not None else b""
        self._unique = unique_bytes(unique) if unique is not None else b""

    def compose(self, session: Session[Ticket], ticket: Ticket) -> bytes:
        """Send it on a session, and return the bytes."""
        return session.ask_status(self._handle, ticket) if self._handle else session.ask_unique(self._unique, ticket)

    @staticmethod
    def read(answer: JobStatus | bytes) -> JobStatus:
        """Return the answer."""
        assert isinstance(answer, JobStatus), "the session matches answers to requests"
        return answer


class Ping:
    """An echo whose round trip is measured.

    Args:
        clock: A monotonic clock, in seconds.
    """

    server = ""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent_at = 0.0

    def compose(self, session: Session[Ticket], ticket: Ticket) -> bytes:
        """Send it on a session, and return the bytes."""
        self._sent_at = self._clock()  # after connecting, which is not part of the round trip
        return session.echo(b"ping", ticket)

    def elapsed(self) -> float:
        """Return the seconds since it was sent."""
        return self._clock() - self._sent_at
