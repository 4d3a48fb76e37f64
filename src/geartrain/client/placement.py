# SPDX-License-Identifier: MIT
"""The attempts to place jobs and requests with servers. No I/O: a shell makes the attempts one after the other.

An attempt is an address and what to send there. The shell connects, sends, and records an error in the attempt; then it
takes the next one.
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
    """Jobs, or a request, to be sent to one server.

    Attributes:
        address: The server.
        jobs: The jobs.
        error: The reason of a failure, set by the shell.
    """

    def __init__(self, address: ServerAddress, jobs: Sequence[TicketT] = ()) -> None:
        self.address = address
        self.jobs = jobs
        self.error: GeartrainError | None = None

    def compose(self, session: Session[Ticket]) -> bytes:
        """Submit the jobs to a session, and return the bytes to send."""
        return b"".join([session.submit(job.submission, job) for job in self.jobs])

    def __iter__(self) -> "Iterator[Attempt[TicketT]]":
        """Yield the attempt, and again if the connection was lost: it may have been closed long before."""
        yield self
        if isinstance(self.error, ConnectionLost):
            self.error = None
            yield self


def placements(
    jobs: Sequence[TicketT],
    servers: ServerPool,
    clock: Callable[[], float],
    tried: Mapping[ServerAddress, GeartrainError] = _NOTHING_TRIED,
) -> Iterator[Attempt[TicketT]]:
    """Yield the attempts to place jobs, each with the best server that was not tried for them.

    Jobs that no server accepts end with `NoServerAvailable`.
    """
    if len(tried) == len(servers.addresses):
        fail_all(jobs, "; ".join(str(error) for error in tried.values()), NoServerAvailable)
        return
    for address, share in _shares(jobs, servers, clock(), tried).items():
        attempt = Attempt(address, share)
        yield from attempt
        if attempt.error is not None:
            yield from placements(share, servers, clock, {**tried, address: attempt.error})


def _shares(
    jobs: Sequence[TicketT], servers: ServerPool, now: float, tried: Mapping[ServerAddress, GeartrainError]
) -> dict[ServerAddress, list[TicketT]]:
    """Divide jobs among the servers that were not tried, of which there is at least one."""
    if len(servers.addresses) == 1:
        return {servers.addresses[0]: list(jobs)}
    shares: dict[ServerAddress, list[TicketT]] = {}
    for job in jobs:
        share = shares.setdefault(_best(servers, job.submission, now, tried), [])
        share.append(job)
    return shares


def _best(
    servers: ServerPool, job: Submission, now: float, tried: Mapping[ServerAddress, GeartrainError]
) -> ServerAddress:
    return next(address for address in servers.ranked(job.key, now, job.function) if address not in tried)


def inquiries(addresses: Sequence[ServerAddress]) -> Iterator[Attempt[PlacedTicket]]:
    """Yield the attempts to send a request to servers, one after the other.

    Raises:
        NoServerAvailable: None of several servers has answered.
        GeartrainError: The only server has not answered, for this reason.
    """
    failures: list[GeartrainError] = []
    for address in addresses:
        attempt: Attempt[PlacedTicket] = Attempt(address)
        yield from attempt  # a request that is sent twice does no harm
        if attempt.error is not None:
            failures.append(attempt.error)
    if len(failures) == len(addresses):
        raise failures[0] if len(failures) == 1 else NoServerAvailable("; ".join(map(str, failures)))


def after_loss(waiting: Iterable[tuple[Ticket, bool]], loss: str, *, final: bool) -> list[PlacedTicket]:
    """Pass the loss of a connection to its tickets, and return the jobs to send again.

    Args:
        waiting: Each ticket, and True if the server had accepted its job.
        loss: The reason.
        final: True if the client is closed, so that nothing is sent again.
    """
    again: list[PlacedTicket] = []
    for ticket, taken in waiting:
        if final:
            ticket.fail(ConnectionLost(loss))
        elif ticket.lost(ConnectionLost(loss), taken=taken) and isinstance(ticket, PlacedTicket):
            again.append(ticket)
    return again


def fail_all(jobs: Iterable[Ticket], reason: str, kind: type[ConnectionLost | NoServerAvailable]) -> None:
    """End jobs with an error."""
    for job in jobs:
        if not job.done():
            job.fail(kind(reason))  # each its own: an error raised in several threads would mix up their tracebacks
