# SPDX-License-Identifier: MIT
"""The adapter between recorded transcripts and the core: the only module of theirs that calls the job server.

It does for a `JobServer` what the server around it does: it cuts bytes into packets, calls `JobServer.tick` at the end
of each turn, collects replies of those peers only that the core names, and plays the store.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from geartrain.core import Durability, JobServer, JobServerOptions, Peer, PriorityScope
from geartrain.core.access import ADMIN, SUBMIT, WORK, AccessRules, Rule, digest_of
from geartrain.jobrecord import Batch, JobRecord
from geartrain.protocol import REQUEST, Parser
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
    """Return the options that words such as ``job_retries=2`` name."""
    pairs = [word.split("=") for word in words]
    named: dict[str, Any] = {name: _OPTIONS[name](value) for name, value in pairs}
    return JobServerOptions(version="1.0", pid=4711, **named)


class Conversation:
    """A job server with its peers, which are known by number, its clock and its store.

    Args:
        options: The words of a transcript's first line.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._clock = FakeClock()
        self._server = JobServer(read_options(options), self._clock)
        self._peers: dict[int, Peer] = {}
        self._parsers: dict[int, Parser] = {}
        self._batch: Batch | None = None
        self._stored: dict[int, JobRecord] = {}

    # Input.

    def connect(self, number: int, host: str, *, local: bool) -> None:
        """Let a peer connect."""
        self._peers[number] = self._server.connect(host, number, local=local)
        self._parsers[number] = Parser(REQUEST)

    def send(self, number: int, data: bytes) -> None:
        """Let bytes arrive from a peer; the server does not read from one that it is about to close."""
        peer = self._peers[number]
        if not peer.closing:
            self._server.receive(peer, self._parsers[number].receive(data))

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
        """Begin to write what is to be stored, if there is anything and nothing else is being written."""
        if self._server.journal.has_records:
            self._batch = self._server.journal.take()

    def commit_batch(self) -> None:
        """Let the write that was begun, if there was anything to write, succeed."""
        if self._batch is None:
            return
        for record in self._batch.stored:
            self._stored[record.number] = record
        for number in self._batch.finished:
            self._stored.pop(number, None)
        self._batch = None
        self._server.journal.committed()

    def fail_batch(self) -> None:
        """Let the write that was begun, if there was anything to write, fail with nothing stored."""
        if self._batch is not None:
            self._batch = None
            self._server.store_failed()

    def begin_restoring(self, created: int) -> None:
        """Expect jobs from the store; numbers up to ``created`` are used."""
        self._server.begin_restoring(created)

    def restore(self, fields: Sequence[bytes]) -> None:
        """Bring back a job from the store; the fields are those of `RECORD_FIELDS`."""
        number, handle, function, unique, priority, workload, run_at, retries, reducer, cron = fields
        record = JobRecord(
            int(number),
            handle,
            function,
            unique,
            int(priority),
            workload,
            int(run_at),
            int(retries),
            reducer,
            cron,
        )
        self._stored[record.number] = record
        self._server.restore([record])

    def end_restoring(self) -> None:
        """Accept submissions."""
        self._server.end_restoring()

    # Output.

    def end_turn(self) -> Iterator[tuple[int, bytes, bool]]:
        """Yield each peer with what it is sent in this turn, and whether the server closes its connection then."""
        self._server.tick()
        self._server.resumed.clear()
        named = set(self._server.take_dirty())
        for number, peer in sorted(self._peers.items()):
            if peer in named:
                data = peer.take_outgoing(sys.maxsize)
                assert data is not None, "there is no limit"
                yield number, data, peer.closing and not peer.is_held

    def stored(self) -> Iterator[list[bytes]]:
        """Yield what the store has, each job as the fields of `RECORD_FIELDS`."""
        for _, record in sorted(self._stored.items()):
            number, handle, function, unique, priority, workload, run_at, retries, reducer, cron, _ = record
            yield [
                b"%d" % number,
                handle,
                function,
                unique,
                b"%d" % priority,
                workload,
                b"%d" % run_at,
                b"%d" % retries,
                reducer,
                cron,
            ]
