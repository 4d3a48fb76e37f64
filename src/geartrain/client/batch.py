# SPDX-License-Identifier: MIT
"""Many background jobs that are submitted at once, and what becomes of each.

A future for each would cost more than all the rest of a submission, so they share one: a batch, whose parts are the
tickets. No I/O; a shell says what happens when all parts have ended.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from geartrain.client.request import Submission
from geartrain.client.ticket import BackgroundTicket, TicketOwner
from geartrain.errors import GeartrainError, ReplyTimeout
from geartrain.records import Handle

__all__ = ["BatchSubmission", "NotAllSubmitted"]


class NotAllSubmitted(GeartrainError):
    """Of several background jobs, servers did not take all.

    Attributes:
        outcomes: What became of each, in order: its handle, or the error in place of one.
    """

    def __init__(self, outcomes: Sequence[Handle | GeartrainError]) -> None:
        errors = [outcome for outcome in outcomes if isinstance(outcome, GeartrainError)]
        super().__init__(f"{len(errors)} of {len(outcomes)} jobs were not taken; the first: {errors[0]}")
        self.outcomes = list(outcomes)


class BatchSubmission:
    """Background jobs with one end.

    Args:
        home: Where they belong.
        submissions: The jobs.
        servers: How many servers there are to try.
        ended: Called once all have ended; perhaps twice, if threads end the last two at the same time.
    """

    def __init__(
        self, home: TicketOwner, submissions: Iterable[Submission], servers: int, ended: Callable[[], object]
    ) -> None:
        self.parts = [BatchTicket(home, submission, servers, self) for submission in submissions]
        self._open = self.parts.copy()  # only to be counted, as a list is popped from by threads without a lock
        self._ended = ended
        if not self.parts:
            ended()

    def end_one(self) -> None:
        """Note that one more part has ended."""
        self._open.pop()
        if not self._open:
            self._ended()

    def abandon(self) -> None:
        """Say that nobody waits any more: what was not taken is not sent again."""
        for part in self.parts:
            part.abandon()

    def handles(self) -> list[Handle]:
        """Return the handles, in the order of the jobs.

        Raises:
            NotAllSubmitted: Some were not taken, or not in time.
        """
        outcomes = [part.outcome or ReplyTimeout("the server did not answer in time") for part in self.parts]
        handles = [outcome for outcome in outcomes if isinstance(outcome, Handle)]
        if len(handles) < len(outcomes):
            raise NotAllSubmitted(outcomes)
        return handles


class BatchTicket(BackgroundTicket):
    """One job of a batch.

    Attributes:
        outcome: Its handle, the error in place of one, or ``None`` as long as there is neither.
    """

    def __init__(self, home: TicketOwner, submission: Submission, servers: int, batch: BatchSubmission) -> None:
        super().__init__(home, submission, servers)
        self.outcome: Handle | GeartrainError | None = None
        self._batch = batch

    def done(self) -> bool:
        return self.outcome is not None

    def succeed(self, value: Any) -> None:
        self.outcome = value
        self._batch.end_one()

    def fail(self, error: GeartrainError) -> None:
        self.outcome = error
        self._batch.end_one()
