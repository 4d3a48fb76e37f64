# SPDX-License-Identifier: MIT
"""What a store has to know before it may be promised: group commit, without I/O.

Background jobs are promised to their clients by JOB_CREATED, so that packet waits until the job is stored. Everything
decided while one batch is on its way to the store collects in the next one::

    decisions ──▶ filling ──take()──▶ on its way ──committed()──▶ replies leave
                     ▲                    │
                     └──── failed(): what ended, to be tried again; new jobs are refused

- A job that is added and ends in the same batch never reaches the store; its client is answered all the same.
- Replies wait per peer and batch, in order: whatever a peer is sent behind a promise stays behind it (`Peer`).
- A job may be assigned before it is stored. Its client has been promised nothing yet.
- A batch that failed may have been stored all the same, when the connection was lost at the wrong moment. So its new
  jobs are refused *and* deleted with the next batch.
- While the store is away new background jobs are refused at once; what ends is remembered by its number alone.
"""

from typing import Final, Protocol

from geartrain.core.state import Peer
from geartrain.jobrecord import Batch, JobRecord
from geartrain.protocol.commands import Command
from geartrain.protocol.packets import response

__all__ = ["Journal", "Recorded"]

_STORE_FAILED = response(Command.ERROR, b"QUEUE_ERROR", b"The job could not be stored")

# Bytes of workloads that may collect while a batch is on its way, a hundred times what is usual. Then new background
# jobs are refused until the store has caught up: it is slower than its clients, and memory is not its overflow.
MAX_FILLING = 256 * 1024 * 1024  # not final, as a test makes it small
_WEIGHT: Final = 256  # bytes that a job takes besides its workload

# Numbers are reserved in the store this many at a time, so that no job after a restart gets the handle of an earlier
# one, and again when half of them are used.
_RESERVED: Final = 1_000_000


class Recorded(Protocol):
    """What a store keeps: a job, or a schedule of jobs."""

    is_durable: bool

    @property
    def number(self) -> int: ...
    @property
    def workload(self) -> bytes: ...
    @property
    def has_ended(self) -> bool: ...

    def record(self) -> JobRecord: ...


class _Filling:
    """A batch before it is taken, and who waits for it."""

    __slots__ = ("added", "changed", "finished", "number", "peers", "reserve", "weight")

    def __init__(self, number: int) -> None:
        self.number = number
        self.added: dict[Recorded, None] = {}
        self.changed: dict[Recorded, None] = {}
        self.finished: list[int] = []
        self.peers: dict[Peer, None] = {}
        self.reserve = 0
        self.weight = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.finished or self.peers or self.reserve)

    def keep_promises(self) -> None:
        """Let the replies leave that waited for this batch."""
        for peer in self.peers:
            peer.send_stored(self.number)
        self.peers.clear()

    def break_promises(self) -> None:
        """Let errors leave in their place."""
        for peer in self.peers:
            peer.send_refused(self.number, _STORE_FAILED)
        self.peers.clear()


class Journal:
    """Collects records for a store, and holds back what depends on them.

    Args:
        holds: Whether replies wait until their jobs are stored.

    Attributes:
        is_away: Whether the last batch failed; new background jobs are then refused.
    """

    __slots__ = ("_filling", "_holds", "_on_its_way", "_reserved", "is_away")

    def __init__(self, *, holds: bool = True) -> None:
        self._holds = holds
        self._filling = _Filling(1)
        self._on_its_way: _Filling | None = None
        self._reserved = 0
        self.is_away = False

    def __repr__(self) -> str:
        filling = self._filling
        state = "away" if self.is_away else "busy" if self._on_its_way is not None else "ready"
        return f"<Journal {state}: {len(filling.added)} added, {len(filling.finished)} finished>"

    @property
    def refuses(self) -> bool:
        """Whether new background jobs cannot be taken: the store is away, or too far behind."""
        return self.is_away or self._filling.weight > MAX_FILLING

    @property
    def pending(self) -> int:
        """How many records are not in the store yet."""
        batches = [self._filling] if self._on_its_way is None else [self._filling, self._on_its_way]
        return sum([len(batch.added) + len(batch.changed) + len(batch.finished) for batch in batches])

    @property
    def has_records(self) -> bool:
        """Whether there is something to be stored and nothing on its way."""
        return self._on_its_way is None and bool(self._filling)

    # Decisions.

    def add(self, job: Recorded) -> None:
        """Have a job stored."""
        job.is_durable = True
        filling = self._filling
        filling.added[job] = None
        filling.weight += len(job.workload) + _WEIGHT

    def change(self, job: Recorded) -> None:
        """Have a job stored anew: it has lost a worker."""
        if job not in self._filling.added:
            self._filling.changed[job] = None

    def finish(self, job: Recorded) -> None:
        """Have a job forgotten."""
        filling = self._filling
        if job in filling.added:
            del filling.added[job]
            filling.weight -= len(job.workload) + _WEIGHT
        else:
            filling.changed.pop(job, None)
            filling.finished.append(job.number)

    def promise(self, peer: Peer, job: Recorded, packet: bytes) -> None:
        """Send a packet as soon as a job is stored, or an error in its place."""
        batch = self._batch_of(job)
        if batch is None:
            peer.send(packet)
            return
        batch.peers[peer] = None
        peer.send_when_stored(batch.number, packet)

    def _batch_of(self, job: Recorded) -> _Filling | None:
        if not self._holds:
            return None
        if job in self._filling.added:
            return self._filling
        on_its_way = self._on_its_way
        return on_its_way if on_its_way is not None and job in on_its_way.added else None

    def release(self, created: int) -> None:
        """Have the numbers given back that were reserved and will not be used, as the server stops."""
        self._filling.reserve = created

    def reserve(self, created: int) -> None:
        """Have numbers reserved when those that are may soon be used up."""
        if created + _RESERVED // 2 > self._reserved:
            self._reserved = created + _RESERVED
            self._filling.reserve = self._reserved

    # For whoever talks to the store.

    def take(self) -> Batch:
        """Return what is to be stored next; nothing else may be on its way."""
        assert self._on_its_way is None, "one batch at a time"
        filling = self._filling
        self._on_its_way = filling
        self._filling = _Filling(filling.number + 1)
        stored = [job.record() for job in (*filling.added, *filling.changed)]
        return Batch(stored, filling.finished, filling.reserve)

    def committed(self) -> None:
        """Note that the batch is stored: what depended on it leaves."""
        self.is_away = False
        self._arrived().keep_promises()

    def failed(self) -> list[Recorded]:
        """Note that the batch is not, or may not be, stored; return its jobs, which nobody is promised any more."""
        batch = self._arrived()
        batch.break_promises()
        filling = self._filling
        for job in batch.changed:
            if not job.has_ended:
                filling.changed[job] = None
        filling.finished = [*batch.finished, *filling.finished]
        filling.reserve = filling.reserve or batch.reserve
        if not self._holds:  # their clients have heard that they were taken
            for job in batch.added:
                if not job.has_ended:
                    filling.changed.pop(job, None)  # a batch has each number once
                    self.add(job)
            return []
        self.is_away = True
        filling.finished += [job.number for job in batch.added]
        refused = [job for job in batch.added if not job.has_ended]
        refused += filling.added
        filling.added = {}
        filling.weight = 0
        filling.break_promises()  # it would fail as well, and its clients should hear of it now
        for job in refused:
            job.is_durable = False
        return refused

    def _arrived(self) -> _Filling:
        """Return the batch whose fate is known, and let the next one go."""
        batch = self._on_its_way
        assert batch is not None, "a batch was taken"
        self._on_its_way = None
        return batch
