# SPDX-License-Identifier: MIT
"""What becomes of many background jobs that are submitted at once."""

from collections.abc import Sequence

from geartrain.errors import GeartrainError
from geartrain.records import Handle

__all__ = ["NotAllSubmitted", "handles_of"]


class NotAllSubmitted(GeartrainError):
    """Of several background jobs, servers did not take all.

    Attributes:
        outcomes: What became of each, in order: its handle, or the error in place of one.
    """

    def __init__(self, outcomes: Sequence[Handle | GeartrainError]) -> None:
        errors = [outcome for outcome in outcomes if isinstance(outcome, GeartrainError)]
        super().__init__(f"{len(errors)} of {len(outcomes)} jobs were not taken; the first: {errors[0]}")
        self.outcomes = list(outcomes)


def handles_of(outcomes: Sequence[Handle | GeartrainError]) -> list[Handle]:
    """Return the handles of jobs that were all taken.

    Raises:
        NotAllSubmitted: They were not.
    """
    handles = [outcome for outcome in outcomes if isinstance(outcome, Handle)]
    if len(handles) < len(outcomes):
        raise NotAllSubmitted(outcomes)
    return handles
