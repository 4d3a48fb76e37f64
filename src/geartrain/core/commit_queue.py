# SPDX-License-Identifier: MIT
"""Changes on their way to a store, and the replies that depend on them: group commit, without I/O.

JOB_CREATED promises a client that its background job is stored, so that packet waits for the commit. Everything decided
while one batch is on its way to the store collects in the next one::

    decisions ──▶ pending ──take_batch()──▶ on its way ──committed()──▶ replies leave
                     ▲                          │
                     └──── failed(): changes are written again; new jobs are refused

- A job that is added and ends before its batch is taken never reaches the store; its client still gets its answer.
- Replies wait per peer and batch, in order: everything sent after a promise stays behind it (`Outbox`).
- A job may be assigned before it is stored. Its client has been promised nothing yet.
- A batch that failed has three kinds of change. *New jobs* are revoked: their clients get an error, and if the batch
  may have been stored after all, the jobs are deleted with the next one. *Changes* and *ends* of jobs record events
  that have happened already, so they are written again with the next batch.
- While the store is unavailable, new background jobs are refused at once; only the numbers of ended jobs are kept.
- If another server owns our jobs now ("fenced"), nothing that was decided before is written any more.
"""

import enum
from collections import deque
from collections.abc import Sequence
from typing import Final

from mypy_extensions import i64

from geartrain.core.changes import Change, Forget, Put, PutNew, Reserve
from geartrain.core.durable import Durable
from geartrain.core.numbers import Numbers
from geartrain.core.recipient import Recipient
from geartrain.core.record import JobRecord
from geartrain.protocol._binary import BytesWriter
from geartrain.protocol.commands import Command
from geartrain.protocol.packets import response

__all__ = ["CommitOutcome", "CommitQueue"]

_STORE_FAILED: Final = response(Command.ERROR, b"QUEUE_ERROR", b"The job could not be stored")

_WEIGHT: Final = 256  # bytes that a job takes in addition to its workload

# A batch is packed in one go, so it is closed when that takes a few milliseconds.
_MOST_JOBS: Final = 8192
_MOST_WEIGHT: Final = 16 * 1024 * 1024


class CommitOutcome(enum.Enum):
    """The outcome of a commit that did not succeed."""

    NOT_STORED = "not stored"
    UNKNOWN = "unknown"  # no answer came: the batch may be stored now or later
    FENCED = "fenced"  # another server has taken over, and this one must not write any more


class _Batch:
    """Changes that are stored together, and the peers whose replies wait for them."""

    __slots__ = ("added", "changed", "ended", "number", "peers", "reserve", "weight")

    def __init__(self, number: i64) -> None:
        self.number = number
        self.added: list[Durable] = []
        self.changed: dict[Durable, None] = {}
        self.ended: list[int] = []
        self.peers: list[Recipient] = []
        self.reserve = 0
        self.weight: i64 = 0

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.ended or self.peers or self.reserve)

    @property
    def size(self) -> int:
        return len(self.added) + len(self.changed) + len(self.ended)

    def pack(self) -> list[Change]:
        """Return the changes, without those of jobs that have ended since."""
        numbers: list[int] = []
        buffer = BytesWriter()
        records: list[JobRecord] = []
        last: i64 = -1
        for job in self.added:
            if job.has_ended:
                continue
            if job.number > last and job.pack_plain(buffer):
                last = job.number
                numbers.append(last)
            else:
                records.append(job.record())
        records += [job.record() for job in self.changed if not job.has_ended]
        changes: list[Change] = []
        if self.ended:
            changes.append(Forget(self.ended))
        if numbers:
            changes.append(PutNew(numbers, buffer.getvalue()))
        if records:
            changes.append(Put(records))
        if self.reserve:
            changes.append(Reserve(self.reserve))
        return changes

    def release_replies(self) -> None:
        """Send the replies that waited for this batch."""
        for peer in self.peers:
            peer.outbox.release(self.number)
            peer.mark_dirty()
        self.peers.clear()

    def refuse_replies(self) -> None:
        """Send errors in place of the replies that waited for this batch."""
        for peer in self.peers:
            peer.outbox.refuse(self.number, _STORE_FAILED)
            peer.mark_dirty()
        self.peers.clear()


class CommitQueue:
    """Collects changes for a store, and holds back the replies that depend on them.

    Args:
        numbers: The numbers of jobs, which are reserved in the store.
        holds: True if replies wait until their jobs are stored.
        max_pending: Bytes of workloads that may collect while a batch is on its way. Beyond that the clients are faster
            than the store, and new background jobs are refused instead of filling the memory.

    Attributes:
        is_unavailable: True if the last batch failed; new background jobs are then refused.
        is_fenced: True if another server has taken over.
        batches: Number of batches that were stored.
        failures: Number of batches that were not stored.
    """

    __slots__ = (
        "_holds",
        "_max_pending",
        "_numbers",
        "_on_its_way",
        "_pending",
        "_stored",
        "_taken",
        "_weight",
        "batches",
        "failures",
        "is_fenced",
        "is_unavailable",
    )

    def __init__(self, numbers: Numbers, *, holds: bool = True, max_pending: int) -> None:
        self._numbers = numbers
        self._holds = holds
        self._max_pending: i64 = max_pending
        self._pending: deque[_Batch] = deque((_Batch(1),))
        self._on_its_way: _Batch | None = None
        self._taken: i64 = 0  # the number of the last batch that was taken
        self._stored: i64 = 0  # the number of the last batch that is stored
        self._weight: i64 = 0  # of all batches that are pending
        self.is_unavailable = False
        self.is_fenced = False
        self.batches: i64 = 0
        self.failures: i64 = 0

    def __repr__(self) -> str:
        state = "away" if self.is_unavailable else "busy" if self._on_its_way is not None else "ready"
        added = sum([len(batch.added) for batch in self._pending])
        ended = sum([len(batch.ended) for batch in self._pending])
        return f"<CommitQueue {state}: {added} added, {ended} ended>"

    @property
    def is_accepting(self) -> bool:
        """True if new background jobs are accepted: the store is available, and not too far behind."""
        return not (self.is_unavailable or self._weight > self._max_pending or self._numbers.has_run_out)

    @property
    def pending(self) -> int:
        """Number of records that are not in the store yet."""
        on_its_way = self._on_its_way
        return sum([batch.size for batch in self._pending]) + (on_its_way.size if on_its_way is not None else 0)

    @property
    def has_changes(self) -> bool:
        """True if there are changes to store and no batch is on its way."""
        return self._on_its_way is None and not self._pending[0].is_empty

    # Decisions.

    def add(self, job: Durable) -> None:
        """Add a new job to the store."""
        batch = self._pending[-1]
        if len(batch.added) >= _MOST_JOBS or batch.weight >= _MOST_WEIGHT:
            batch = self._begin_batch()
        job.is_durable = True
        job.batch = batch.number
        batch.added.append(job)
        weight: i64 = len(job.workload) + _WEIGHT
        batch.weight += weight
        self._weight += weight

    def change(self, job: Durable) -> None:
        """Store a job again, because it has changed."""
        if job.batch <= self._taken:  # otherwise its current state is packed when its batch is taken
            self._pending[-1].changed[job] = None

    def forget(self, job: Durable) -> None:
        """Delete a job that has ended from the store."""
        if job.batch <= self._taken:
            self._pending[-1].ended.append(job.number)
        else:  # it is skipped when its batch is taken
            weight: i64 = len(job.workload) + _WEIGHT
            batch = self._pending[job.batch - self._pending[0].number]
            batch.weight -= weight
            self._weight -= weight

    def promise(self, peer: Recipient, job: Durable, command: int, body: bytes) -> None:
        """Send a packet once a job is stored, or an error if it cannot be."""
        number = job.batch
        if not self._holds or number <= self._stored:
            peer.send(command, body)
        elif peer.outbox.promise(number, command, body):
            on_its_way = self._on_its_way
            if on_its_way is not None and on_its_way.number == number:
                on_its_way.peers.append(peer)
            else:
                self._pending[number - self._pending[0].number].peers.append(peer)

    def reserve(self) -> None:
        """Reserve more numbers before the reserved ones are used up."""
        until = self._numbers.request()
        if until:
            self._pending[-1].reserve = until

    def give_back(self) -> None:
        """Return the reserved numbers that were not used, as the server stops."""
        self._pending[-1].reserve = self._numbers.last

    # The way to the store.

    def take_batch(self) -> list[Change]:
        """Return the next changes to store. No other batch may be on its way."""
        assert self._on_its_way is None, "one batch at a time"
        batch = self._pending.popleft()
        self._taken = batch.number
        self._weight -= batch.weight
        self._on_its_way = batch
        if not self._pending:
            self._pending.append(_Batch(batch.number + 1))
        return batch.pack()

    def committed(self) -> None:
        """Record that the batch is stored, and send the replies that waited for it."""
        batch = self._arrived()
        self._stored = batch.number
        self.is_unavailable = False
        self.batches += 1
        if batch.reserve:
            self._numbers.grant(batch.reserve)
        batch.release_replies()

    def failed(self, outcome: CommitOutcome) -> list[Durable]:
        """Answer the submitters of the batch with an error, and return the jobs to drop."""
        batch = self._arrived()
        self.failures += 1
        self._numbers.requested = self._numbers.reserved
        if outcome is CommitOutcome.FENCED:
            return self._empty(batch)
        following = self._pending[0]
        changed = [job for job in batch.changed if not job.has_ended]
        for job in changed:
            following.changed[job] = None
        following.ended = [*batch.ended, *following.ended]
        if not following.reserve:  # also when the server stops, and returns numbers
            following.reserve = batch.reserve
        if not self._holds:  # the clients were told already that their jobs were accepted
            added = [job for job in batch.added if not job.has_ended]
            self._weigh([*changed, *added], following)
            self._add_again(added, following, outcome)
            batch.release_replies()
            return []
        self.is_unavailable = True
        batch.refuse_replies()
        if outcome is CommitOutcome.UNKNOWN:
            following.ended += [job.number for job in batch.added]
        return self._revoke(batch.added)

    def _begin_batch(self) -> _Batch:
        batch = _Batch(self._pending[-1].number + 1)
        self._pending.append(batch)
        return batch

    def _arrived(self) -> _Batch:
        """Return the batch that was on its way, so that the next one can be taken."""
        batch = self._on_its_way
        assert batch is not None, "a batch was taken"
        self._on_its_way = None
        return batch

    def _weigh(self, jobs: Sequence[Durable], batch: _Batch) -> None:
        weight: i64 = 0
        for job in jobs:
            weight += len(job.workload) + _WEIGHT
        batch.weight += weight
        self._weight += weight

    def _add_again(self, jobs: Sequence[Durable], batch: _Batch, outcome: CommitOutcome) -> None:
        if outcome is CommitOutcome.UNKNOWN:  # perhaps they are stored: they are replaced, and deleted if they end
            for job in jobs:
                batch.changed[job] = None
            return
        for job in jobs:
            batch.changed.pop(job, None)  # a batch has each number once
            job.batch = batch.number
        batch.added = [*jobs, *batch.added]

    def _revoke(self, failed: Sequence[Durable]) -> list[Durable]:
        """Return the jobs of a failed batch, and of those behind it: they would fail as well."""
        revoked = [job for job in failed if not job.has_ended]
        for batch in self._pending:
            revoked += [job for job in batch.added if not job.has_ended]
            batch.added.clear()
            batch.weight = 0
            batch.refuse_replies()
        self._weight = 0
        for job in revoked:
            for batch in self._pending:
                batch.changed.pop(job, None)
            job.is_durable = False
            job.batch = 0
        return revoked

    def _empty(self, batch: _Batch) -> list[Durable]:
        """Discard all pending changes, none of which may be written any more."""
        self.is_unavailable = self.is_fenced = True
        batch.refuse_replies()
        revoked = self._revoke(batch.added)
        for each in self._pending:
            each.changed.clear()
            each.ended.clear()
            each.reserve = 0
        return revoked
