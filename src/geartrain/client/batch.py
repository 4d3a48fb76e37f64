# SPDX-License-Identifier: MIT
"""Background jobs that are submitted together, and the outcome of each.

A future for each job would cost more than the rest of its submission, so they share one: a batch, whose tickets are the
jobs. No I/O; a shell passes the function that is called when all have ended.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from geartrain.client.request import Submission
from geartrain.client.ticket import BackgroundTicket, TicketOwner
from geartrain.errors import GeartrainError, ReplyTimeout
from geartrain.records import Handle
from geartrain.wording import counted

__all__ = ["BatchSubmission", "NotAllSubmitted"]


class NotAllSubmitted(GeartrainError):
    """Servers accepted only some of several background jobs, or none.

    Attributes:
        outcomes: The handle or the error of each job, in order.
    """

    def __init__(self, outcomes: Sequence[Handle | GeartrainError]) -> None:
        errors = [outcome for outcome in outcomes if isinstance(outcome, GeartrainError)]
        failed = f"{len(errors)} of {counted(len(outcomes), 'job')} {'was' if len(errors) == 1 else 'were'}"
        super().__init__(f"{failed} not accepted; the first error: {errors[0]}")
        self.outcomes = list(outcomes)


class BatchSubmission:
    """Background jobs with a common end.

    Args:
        owner: The owner of their tickets.
        submissions: The jobs.
        servers: The number of servers to try.
        ended: Called once all have ended; perhaps twice.

    Attributes:
        tickets: The tickets of the jobs, in order.
    """

    def __init__(
        self, owner: TicketOwner, submissions: Iterable[Submission], servers: int, ended: Callable[[], object]
    ) -> None:
        self.tickets = [BatchTicket(owner, submission, servers, self) for submission in submissions]
        self._open = set(self.tickets)  # threads can discard from a set without a lock
        self._ended = ended
        if not self.tickets:
            ended()

    def end_one(self, ticket: "BatchTicket") -> None:
        """Record the end of one ticket; a further call completes one that was interrupted."""
        self._open.discard(ticket)
        if not self._open:
            self._ended()

    def abandon(self) -> None:
        """End the wait: jobs that no server has accepted are not sent again."""
        for ticket in self.tickets:
            ticket.abandon()

    def handles(self) -> list[Handle]:
        """Return the handles, in the order of the jobs.

        Raises:
            NotAllSubmitted: Some jobs were not accepted, or not in time.
        """
        outcomes = [ticket.outcome or ReplyTimeout("the server did not answer in time") for ticket in self.tickets]
        handles = [outcome for outcome in outcomes if isinstance(outcome, Handle)]
        if len(handles) < len(outcomes):
            raise NotAllSubmitted(outcomes)
        return handles


class BatchTicket(BackgroundTicket):
    """One job of a batch.

    Attributes:
        outcome: Its handle, the error in place of one, or ``None`` until either has come.
    """

    def __init__(self, owner: TicketOwner, submission: Submission, servers: int, batch: BatchSubmission) -> None:
        super().__init__(owner, submission, servers)
        self.outcome: Handle | GeartrainError | None = None
        self._batch = batch

    def done(self) -> bool:
        return self.outcome is not None

    def succeed(self, value: Any) -> None:
        self._end(value)

    def fail(self, error: GeartrainError) -> None:
        self._end(error)

    def _end(self, outcome: Handle | GeartrainError) -> None:
        if self.outcome is None:
            self.outcome = outcome
        self._batch.end_one(self)
