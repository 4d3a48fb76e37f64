# SPDX-License-Identifier: MIT
"""How jobs and questions find a server that takes them. No I/O: a shell makes the attempts, one after the other.

An attempt is an address and what to send there. The shell connects, sends, and says in the attempt what went wrong, if
something did; then it asks for the next one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

from geartrain.client.request import Submission
from geartrain.client.serverpool import ServerPool
from geartrain.client.session import Session
from geartrain.client.ticket import PlacedTicket, Ticket
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable
from geartrain.transport import ServerAddress

__all__ = ["Attempt", "after_loss", "fail_all", "inquiries", "placements"]

TicketT = TypeVar("TicketT", bound=PlacedTicket)

_NOTHING_TRIED: Mapping[ServerAddress, GeartrainError] = MappingProxyType({})


class Attempt(Generic[TicketT]):
    """Something to be sent to one server.

    Attributes:
        address: The server.
        jobs: What it is to get.
        error: Why it did not.
    """

    def __init__(self, address: ServerAddress, jobs: Sequence[TicketT] = ()) -> None:
        self.address = address
        self.jobs = jobs
        self.error: GeartrainError | None = None

    def compose(self, session: "Session[Ticket]") -> bytes:
        """Have a session submit the jobs."""
        return b"".join([session.submit(job.submission, job) for job in self.jobs])

    def __iter__(self) -> "Iterator[Attempt[TicketT]]":
        """Yield the attempt, and a second time if the connection was lost: it may have been stale for long."""
        yield self
        if isinstance(self.error, ConnectionLost):
            self.error = None
            yield self


def placements(
    jobs: Sequence[TicketT],
    roster: ServerPool,
    clock: Callable[[], float],
    tried: Mapping[ServerAddress, GeartrainError] = _NOTHING_TRIED,
) -> Iterator[Attempt[TicketT]]:
    """Yield the attempts to place jobs, each with the best server that has not been tried for it.

    Jobs that no server takes end with `NoServerAvailable`.
    """
    if len(tried) == len(roster.addresses):
        fail_all(jobs, "; ".join(str(error) for error in tried.values()), NoServerAvailable)
        return
    for address, share in _shares(jobs, roster, clock(), tried).items():
        attempt = Attempt(address, share)
        yield from attempt
        if attempt.error is not None:
            yield from placements(share, roster, clock, {**tried, address: attempt.error})


def _shares(
    jobs: Sequence[TicketT], roster: ServerPool, now: float, tried: Mapping[ServerAddress, GeartrainError]
) -> dict[ServerAddress, list[TicketT]]:
    """Divide jobs among the servers not tried yet, of which there is one at least."""
    if len(roster.addresses) == 1:
        return {roster.addresses[0]: list(jobs)}
    shares: dict[ServerAddress, list[TicketT]] = {}
    for job in jobs:
        share = shares.setdefault(_best(roster, job.submission, now, tried), [])
        share.append(job)
    return shares


def _best(
    roster: ServerPool, job: Submission, now: float, tried: Mapping[ServerAddress, GeartrainError]
) -> ServerAddress:
    return next(address for address in roster.ranked(job.key, now, job.function) if address not in tried)


def inquiries(addresses: Sequence[ServerAddress]) -> Iterator[Attempt[PlacedTicket]]:
    """Yield the attempts to ask servers something, one after the other.

    Raises:
        NoServerAvailable: None of several has answered.
        GeartrainError: The only one has not, for this reason.
    """
    failures: list[GeartrainError] = []
    for address in addresses:
        attempt: Attempt[PlacedTicket] = Attempt(address)
        yield from attempt  # asking twice does no harm
        if attempt.error is not None:
            failures.append(attempt.error)
    if len(failures) == len(addresses):
        raise failures[0] if len(failures) == 1 else NoServerAvailable("; ".join(map(str, failures)))


def after_loss(waiting: Iterable[tuple[Ticket, bool]], loss: str, *, final: bool) -> list[PlacedTicket]:
    """Tell all who waited for a lost connection, and return the jobs that are to be sent again.

    Args:
        waiting: Who, and whether the server had taken the job.
        loss: What happened.
        final: Whether the client is closed, so that nothing is sent again.
    """
    again: list[PlacedTicket] = []
    for ticket, taken in waiting:
        if final:
            ticket.fail(ConnectionLost(loss))
        elif ticket.lost(ConnectionLost(loss), taken=taken) and isinstance(ticket, PlacedTicket):
            again.append(ticket)
    return again


def fail_all(jobs: Iterable[Ticket], reason: str, kind: type[ConnectionLost | NoServerAvailable]) -> None:
    """End jobs without a result."""
    for job in jobs:
        if not job.done():
            job.fail(kind(reason))  # each its own: an error that is raised in several threads mixes up their tracebacks
