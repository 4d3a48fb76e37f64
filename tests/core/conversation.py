# SPDX-License-Identifier: MIT
"""The adapter between recorded transcripts and the core: only this module of theirs calls the job server.

It stands in for the shell around a `JobServer`: it feeds bytes to readers, calls `JobServer.tick` at the end of each
turn, collects replies of only those peers that the core returns, and acts as the store.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from geartrain.core import CommitOutcome, Durability, JobServer, JobServerOptions, Peer, PriorityScope
from geartrain.core.access import ADMIN, SUBMIT, WORK, AccessRules, Rule, digest_of
from geartrain.core.changes import Change, Forget, Put, PutNew
from geartrain.core.record import JobRecord
from geartrain.protocol import REQUEST, Reader
from geartrain.testing.clock import FakeClock

__all__ = ["RECORD_FIELDS", "TOKEN", "Conversation", "read_options"]

TOKEN = b"open-sesame"

_EXAMPLE_RULES = AccessRules(
    (
        Rule(rights=SUBMIT, functions=(b"resize", b"mail*")),
        Rule(rights=WORK, functions=(b"resize",)),
        Rule(rights=SUBMIT | WORK | ADMIN, tokens=(digest_of(TOKEN),)),
    )
)

_OPTIONS: dict[str, Callable[[str], object]] = {
    "access": lambda value: {"none": None, "example": _EXAMPLE_RULES}[value],
    "allow_shutdown": lambda value: value == "yes",
    "durability": Durability,
    "exceptions": lambda value: value == "yes",
    "function_expiry": float,
    "job_retries": int,
    "job_timeout": float,
    "max_functions": int,
    "max_jobs_per_connection": int,
    "priority_scope": PriorityScope,
    "probe_after": float,
    "rearm_after": float,
    "round_robin": lambda value: value == "yes",
    "stall_after": float,
    "worker_wakeup": int,
}

# The fields of a stored job in the order in which transcripts have them.
RECORD_FIELDS = (
    "number",
    "handle",
    "function",
    "unique",
    "priority",
    "workload",
    "run_at",
    "retries",
    "reducer",
    "cron",
)


def read_options(words: Sequence[str]) -> JobServerOptions:
    """Return the options that words such as ``job_retries=2`` set."""
    pairs = [word.split("=") for word in words]
    named: dict[str, Any] = {name: _OPTIONS[name](value) for name, value in pairs}
    return JobServerOptions(version="1.0", pid=4711, **named)


class Conversation:
    """A job server with its numbered peers, its clock and its store.

    Args:
        options: The words of a transcript's first line.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._clock = FakeClock()
        self._server = JobServer(read_options(options), self._clock)
        self._peers: dict[int, Peer] = {}
        self._batch: list[Change] | None = None
        self._stored: dict[int, JobRecord] = {}

    # Input.

    def connect(self, number: int, host: str, *, local: bool) -> None:
        """Let a peer connect."""
        self._peers[number] = self._server.connect(host, number, local=local, reader=Reader(REQUEST))

    def send(self, number: int, data: bytes) -> None:
        """Let bytes arrive from a peer, unless the server is about to close its connection."""
        peer = self._peers[number]
        if not peer.closing:
            self._server.begin_turn()
            peer.reader.feed(data)
            self._server.receive(peer)

    def disconnect(self, number: int) -> None:
        """Let a connection end."""
        self._server.disconnect(self._peers.pop(number))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.advance(seconds)

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._clock.offset += seconds

    def change_options(self, options: Sequence[str]) -> None:
        """Reload the configuration."""
        self._server.change_options(read_options(options))

    def drain(self) -> None:
        """Begin to shut down."""
        self._server.drain()

    # The store.

    def take_batch(self) -> None:
        """Begin to write the next batch, if there is one and no other is being written."""
        if self._server.commit_queue.has_changes:
            self._batch = self._server.commit_queue.take_batch()

    def commit_batch(self) -> None:
        """Let the write that was begun, if there was one, succeed."""
        if self._batch is None:
            return
        for change in self._batch:
            if isinstance(change, Forget):
                for number in change.numbers:
                    self._stored.pop(number, None)
            elif isinstance(change, PutNew | Put):
                records = change.records() if isinstance(change, PutNew) else change.records
                self._stored |= {record.number: record for record in records}
        self._batch = None
        self._server.commit_queue.committed()

    def fail_batch(self) -> None:
        """Let the write that was begun, if there was one, fail with nothing stored."""
        if self._batch is not None:
            self._batch = None
            self._server.store_failed(CommitOutcome.UNKNOWN)

    def begin_restoring(self, created: int) -> None:
        """Begin to restore jobs from the store; numbers up to ``created`` are used."""
        self._server.begin_restoring(created)

    def restore(self, fields: Sequence[bytes]) -> None:
        """Restore a job from the store; the fields are those of `RECORD_FIELDS`."""
        number, handle, function, unique, priority, workload, run_at, retries, reducer, cron = fields
        record = JobRecord(
            int(number),
            handle,
            function,
            unique,
            int(priority),
            workload,
            run_at=int(run_at) * 1000,
            losses=int(retries),
            reducer=reducer,
            schedule=cron,
        )
        self._stored[record.number] = record
        self._server.restore([record])

    def end_restoring(self) -> None:
        """Accept submissions, as soon as the numbers of their jobs are reserved in the store."""
        self._server.commit_queue.reserve()
        self.take_batch()
        self.commit_batch()
        self._server.end_restoring()

    # Output.

    def end_turn(self) -> Iterator[tuple[int, bytes, bool]]:
        """Yield each peer with the bytes that it is sent in this turn, and True if it is closed afterwards."""
        self._server.begin_turn()
        self._server.tick()
        named = set(self._server.take_dirty())
        for number, peer in sorted(self._peers.items()):
            if peer in named:
                yield number, b"".join(peer.outbox.take()), peer.closing and not peer.outbox.is_held

    def stored(self) -> Iterator[list[bytes]]:
        """Yield the jobs in the store, each as the fields of `RECORD_FIELDS`."""
        for _, record in sorted(self._stored.items()):
            yield [
                b"%d" % record.number,
                record.handle,
                record.function,
                record.unique,
                b"%d" % record.priority,
                record.workload,
                b"%d" % (record.run_at // 1000),
                b"%d" % record.losses,
                record.reducer,
                record.schedule,
            ]
