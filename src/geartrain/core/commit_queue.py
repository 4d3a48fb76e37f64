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
- If another server owns our jobs now ("fenced"), nothing that was decided before is written any more. New jobs that
  were acknowledged before they were stored stay in memory, for the workers of this server.
- A batch has a limited number of jobs of each kind, and the jobs of a failed one are revoked in portions.
"""

import enum
from collections import deque
from itertools import islice
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
_MOST_CHANGED: Final = 4096  # their records are made one by one
_PORTION: Final = 1000  # jobs that are revoked in one turn
_MOST_WEIGHT: Final = 16 * 1024 * 1024


class CommitOutcome(enum.Enum):
    """The outcome of a commit that did not succeed."""

    NOT_STORED = "not stored"
    UNKNOWN = "unknown"  # no answer came: the batch may be stored now or later
    FENCED = "fenced"  # another server has taken over, and this one must not write any more


class _Batch:
    """Changes that are stored together, and the peers whose replies wait for them.

    Attributes:
        number: Its place in the order of all batches.
        added: New jobs.
        changed: Stored jobs that have changed, chosen when the batch is taken; `ended` likewise.
        ended: Numbers of jobs to delete.
        peers: The peers with replies that wait for it.
        reserve: The number up to which numbers are to be reserved; 0 for none.
        weight: The bytes of the new jobs.
        is_in_doubt: Its new jobs may be stored already, as the outcome of an earlier attempt is not known.
    """

    __slots__ = ("added", "changed", "ended", "is_in_doubt", "number", "peers", "reserve", "weight")

    def __init__(self, number: i64) -> None:
        self.number = number
        self.added: list[Durable] = []
        self.changed: list[Durable] = []
        self.ended: list[int] = []
        self.peers: list[Recipient] = []
        self.reserve = 0
        self.weight: i64 = 0
        self.is_in_doubt = False

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.peers or self.reserve)

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
            if job.number > last and not self.is_in_doubt and job.pack_plain(buffer):
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
        unstored: Number of jobs that were acknowledged, and that cannot be stored since another server has taken over.
    """

    __slots__ = (
        "_changed",
        "_ended",
        "_holds",
        "_last_to_revoke",
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
        "unstored",
    )

    def __init__(self, numbers: Numbers, *, holds: bool = True, max_pending: int) -> None:
        self._numbers = numbers
        self._holds = holds
        self._max_pending: i64 = max_pending
        self._pending: deque[_Batch] = deque((_Batch(1),))
        self._on_its_way: _Batch | None = None
        self._changed: dict[Durable, None] = {}  # stored jobs that have changed since
        self._ended: list[int] = []  # numbers of stored jobs that have ended since
        self._last_to_revoke: i64 = 0  # the last batch whose jobs are still to be revoked
        self._taken: i64 = 0  # the number of the last batch that was taken
        self._stored: i64 = 0  # the number of the last batch that is stored
        self._weight: i64 = 0  # of all batches that are pending
        self.is_unavailable = False
        self.is_fenced = False
        self.batches: i64 = 0
        self.failures: i64 = 0
        self.unstored: i64 = 0

    def __repr__(self) -> str:
        state = "away" if self.is_unavailable else "busy" if self._on_its_way is not None else "ready"
        added = sum([len(batch.added) for batch in self._pending])
        return f"<CommitQueue {state}: {added} added, {len(self._ended)} ended>"

    @property
    def is_accepting(self) -> bool:
        """True if new background jobs are accepted: the store is available, and not too far behind."""
        return not (self.is_unavailable or self._weight > self._max_pending or self._numbers.has_run_out)

    @property
    def pending(self) -> int:
        """Number of records that are not in the store yet."""
        on_its_way = self._on_its_way
        waiting = sum([batch.size for batch in self._pending]) + len(self._changed) + len(self._ended)
        return waiting + (on_its_way.size if on_its_way is not None else 0)

    @property
    def has_changes(self) -> bool:
        """True if there are changes to store and no batch is on its way."""
        if self._on_its_way is not None or self._last_to_revoke:
            return False
        return bool(self._changed or self._ended) or not self._pending[0].is_empty

    @property
    def is_revoking(self) -> bool:
        """True if jobs of failed batches are still to be revoked, before which no other batch can be taken."""
        return self._last_to_revoke > 0

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
            self._changed[job] = None

    def forget(self, job: Durable) -> None:
        """Delete a job that has ended from the store."""
        if job.batch <= self._taken:
            self._ended.append(job.number)
        else:  # it is skipped when its batch is taken
            weight: i64 = len(job.workload) + _WEIGHT
            batch = self._pending[job.batch - self._pending[0].number]
            batch.weight -= weight
            self._weight -= weight
            if batch.is_in_doubt:
                self._ended.append(job.number)

    def promise(self, peer: Recipient, job: Durable, command: int, body: bytes) -> None:
        """Send a packet once a job is stored, or an error if it cannot be."""
        number = job.batch
        if not self._holds or number <= self._stored:
            peer.send(command, body)
        elif peer.outbox.promise(number, command, body):
            if not peer.is_watched:
                peer.mark_dirty()  # so that its replies are counted into the memory of the server
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
        assert not self._last_to_revoke, "it is taken once the jobs of failed batches are revoked"
        batch = self._pending.popleft()
        self._taken = batch.number
        self._weight -= batch.weight
        self._on_its_way = batch
        if not self._pending:
            self._pending.append(_Batch(batch.number + 1))
        batch.ended, self._ended = self._ended, []
        changed = list(islice(self._changed, _MOST_CHANGED))
        for job in changed:
            del self._changed[job]
            if job.batch != batch.number:  # or it is in the batch already, which failed before
                batch.changed.append(job)
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
        """Record that the batch is not, or may not be, stored; return the first of the jobs to drop.

        Their submitters get an error. `revoke` returns the others, if `is_revoking` is true.
        """
        batch = self._arrived()
        self.failures += 1
        self._numbers.requested = self._numbers.reserved
        self._ended[:0] = batch.ended
        self._changed |= dict.fromkeys([job for job in batch.changed if not job.has_ended])
        batch.ended, batch.changed = [], []
        self._pending.appendleft(batch)
        self._weight += batch.weight
        if outcome is CommitOutcome.FENCED:
            self.is_fenced = True
            self._changed.clear()
            self._ended.clear()
        elif not self._holds:  # the clients were told already that their jobs were accepted
            self._taken = batch.number - 1
            batch.is_in_doubt = batch.is_in_doubt or outcome is CommitOutcome.UNKNOWN
            batch.release_replies()
            return []
        elif outcome is CommitOutcome.UNKNOWN:
            self._ended += [job.number for job in batch.added]
        self.is_unavailable = True
        self._last_to_revoke = self._pending[-1].number  # they would fail as well
        self._begin_batch()
        return self.revoke()

    def revoke(self) -> list[Durable]:
        """Return some of the jobs of failed batches, and answer the submitters of each batch after its last job.

        Jobs that were acknowledged before are not returned: they go on as jobs that are not stored.
        """
        revoked: list[Durable] = []
        left: i64 = _PORTION
        while self._last_to_revoke and left > 0:
            batch = self._pending[0]
            portion = batch.added[:left]
            del batch.added[: len(portion)]
            left -= len(portion) + 1
            for job in portion:
                if not job.has_ended:
                    self._changed.pop(job, None)
                    job.is_durable = False
                    job.batch = 0
                    if self._holds:
                        revoked.append(job)
                    else:
                        self.unstored += 1
            if not batch.added:
                self._discard(batch)
        return revoked

    def _discard(self, batch: _Batch) -> None:
        """Discard the first batch, whose jobs are revoked."""
        batch.refuse_replies()
        self._weight -= batch.weight
        self._pending.popleft()
        self._taken = batch.number
        if batch.number == self._last_to_revoke:
            self._last_to_revoke = 0

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
