# SPDX-License-Identifier: MIT
"""The attempts to place jobs and requests with servers. No I/O: a shell makes the attempts one after the other.

An attempt is an address and what to send there. The shell connects, sends, and records an error in the attempt; then it
takes the next one. While no server can be reached, a patient client pauses and tries all servers again.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeAlias, TypeVar

from geartrain.client.request import Submission
from geartrain.client.serverpool import ServerPool
from geartrain.client.session import Session
from geartrain.client.ticket import PlacedTicket, Ticket
from geartrain.errors import ConnectionLost, GeartrainError, NoServerAvailable
from geartrain.transport import ServerAddress

__all__ = ["Attempt", "Pause", "after_loss", "fail_all", "inquiries", "placements"]

TicketT = TypeVar("TicketT", bound=PlacedTicket)

_SHORTEST_PAUSE = 0.05  # seconds; a client that waits for a server costs that server and itself little
_LONGEST_PAUSE = 1.0  # seconds; shorter than most back-offs, as a caller waits for a server to come back

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


class Pause(Generic[TicketT]):
    """A pause before all servers are tried again, as none could be reached.

    Attributes:
        seconds: Its length.
        error: The reason.
        jobs: The jobs that wait.
    """

    def __init__(self, seconds: float, error: NoServerAvailable, jobs: Sequence[TicketT] = ()) -> None:
        self.seconds = seconds
        self.error = error
        self.jobs = jobs


class _Patience:
    """The time for which one call waits for a server.

    Args:
        limit: Seconds from the first failure on; ``None`` for no limit.
        until: The clock's time at which it ends in any case, or ``None``.
        servers: The servers.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self, limit: float | None, until: float | None, servers: ServerPool, clock: Callable[[], float]
    ) -> None:
        self._limit = math.inf if limit is None else limit
        self._until = math.inf if until is None else until
        self._servers = servers
        self._clock = clock
        self._end: float | None = None

    def pause(self) -> float | None:
        """Return the seconds until the next attempts, or ``None`` if there are to be none."""
        now = self._clock()
        if self._end is None:
            self._end = min(now + self._limit, self._until)
        if now >= self._end:
            return None
        return min(max(self._servers.rest(now), _SHORTEST_PAUSE), _LONGEST_PAUSE, self._end - now)


# Jobs that no server has accepted in one round of attempts, and the reason.
_Unplaced: TypeAlias = list[tuple[Sequence[TicketT], str]]


def placements(
    jobs: Sequence[TicketT],
    servers: ServerPool,
    clock: Callable[[], float],
    *,
    patience: float | None = 0.0,
    until: float | None = None,
) -> Iterator[Attempt[TicketT] | Pause[TicketT]]:
    """Yield the attempts to place jobs, each with the best server that was not tried for them.

    If no server can be reached, a pause and more attempts follow while the patience lasts. Jobs that no server accepts
    end with `NoServerAvailable`.

    Args:
        jobs: The jobs.
        servers: The servers.
        clock: A monotonic clock, in seconds.
        patience: Seconds to wait for a server; ``None`` for no limit.
        until: The clock's time at which the wait ends in any case.
    """
    left: _Patience | None = None
    while jobs:
        unplaced: _Unplaced[TicketT] = []
        yield from _round(jobs, servers, clock, _NOTHING_TRIED, unplaced)
        if not unplaced:
            return
        left = left or _Patience(patience, until, servers, clock)
        seconds = left.pause()
        waiting: list[TicketT] = []
        for share, reason in unplaced:
            for job in share:
                if seconds is not None and job.may_wait:
                    waiting.append(job)
                else:
                    fail_all([job], reason, NoServerAvailable)
        if seconds is not None and waiting:
            yield Pause(seconds, NoServerAvailable(unplaced[0][1]), waiting)
        jobs = [job for job in waiting if job.is_wanted]


def _round(
    jobs: Sequence[TicketT],
    servers: ServerPool,
    clock: Callable[[], float],
    tried: Mapping[ServerAddress, GeartrainError],
    unplaced: _Unplaced[TicketT],
) -> Iterator[Attempt[TicketT]]:
    """Yield one attempt with each server, until one accepts the jobs."""
    if len(tried) == len(servers.addresses):
        unplaced.append((jobs, "; ".join(str(error) for error in tried.values())))
        return
    for address, share in _shares(jobs, servers, clock(), tried).items():
        attempt = Attempt(address, share)
        yield from attempt
        if attempt.error is not None:
            yield from _round(share, servers, clock, {**tried, address: attempt.error}, unplaced)


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


def inquiries(
    addresses: Sequence[ServerAddress], servers: ServerPool, clock: Callable[[], float], patience: float | None = 0.0
) -> Iterator[Attempt[PlacedTicket] | Pause[PlacedTicket]]:
    """Yield the attempts to send a request to servers, one after the other.

    Args:
        addresses: The servers to ask.
        servers: All servers.
        clock: A monotonic clock, in seconds.
        patience: Seconds to wait while none of the servers can be reached; ``None`` for no limit.

    Raises:
        NoServerAvailable: None of several servers has answered.
        GeartrainError: The only server has not answered, for this reason.
    """
    left = _Patience(patience, None, servers, clock)
    while True:
        failures: list[GeartrainError] = []
        for address in addresses:
            attempt: Attempt[PlacedTicket] = Attempt(address)
            yield from attempt  # a request that is sent twice does no harm
            if attempt.error is not None:
                failures.append(attempt.error)
        if len(failures) < len(addresses):
            return
        reason = "; ".join(map(str, failures))
        is_away = all(isinstance(error, ConnectionLost | NoServerAvailable) for error in failures)
        seconds = left.pause() if is_away else None
        if seconds is None:
            raise failures[0] if len(failures) == 1 else NoServerAvailable(reason)
        yield Pause(seconds, NoServerAvailable(reason))


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
