# SPDX-License-Identifier: MIT
"""Batches of changes for tests of the core, in a form that is easy to compare."""

from dataclasses import dataclass, field

from geartrain.core import CommitQueue
from geartrain.core.changes import Forget, Put, PutNew, Reserve
from geartrain.core.record import JobRecord
from geartrain.testing.wire import Wire

__all__ = ["Taken", "begin_restoring", "take"]


@dataclass(slots=True)
class Taken:
    """A batch on its way to the store.

    Attributes:
        stored: The records of jobs that are stored, without the times of their submissions.
        ended: The numbers of jobs that are deleted.
        reserve: The highest number that is reserved, or 0.
    """

    stored: list[JobRecord] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    reserve: int = 0


def take(queue: CommitQueue) -> Taken:
    """Take the next batch, and check the invariants of every batch."""
    changes = queue.take_batch()
    taken = Taken()
    for change in changes:
        if isinstance(change, Forget):
            assert not taken.stored, "ends come before new jobs"
            taken.ended = list(change.numbers)
        elif isinstance(change, PutNew):
            assert change.numbers == sorted(set(change.numbers))
            assert change.numbers == [record.number for record in change.records()]
            taken.stored += change.records()
        elif isinstance(change, Put):
            taken.stored += change.records
        elif isinstance(change, Reserve):
            taken.reserve = change.until
    numbers = [record.number for record in taken.stored]
    assert len(set(numbers)) == len(numbers), "each job once"
    assert not set(numbers) & set(taken.ended), "a number is never in both"
    taken.stored = [record.replace(created_at=0) for record in taken.stored]
    return taken


def begin_restoring(wire: Wire, reserved: int) -> None:
    """Open a store, and reserve the first numbers in it."""
    wire.server.begin_restoring(reserved)
    queue = wire.server.commit_queue
    queue.reserve()
    if queue.has_changes:
        queue.take_batch()
        queue.committed()
