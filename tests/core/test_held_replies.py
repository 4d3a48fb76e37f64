# SPDX-License-Identifier: MIT
"""Replies that wait for a store: every peer gets all of its answers, in order, and none too early.

The state machine is a store that commits and fails as Hypothesis chooses, with peers that act at random. These
invariants hold after each step:

- a peer gets one answer for each question, in the order of the questions;
- no JOB_CREATED of a background job is sent before the batch of that job is committed;
- when a batch has been committed or has failed, all questions from before it was taken are answered;
- a peer without held replies is answered at once.

At the end the store has the jobs that were promised and have not ended, and no others.
"""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from geartrain.core import CommitOutcome, Durability, JobServerOptions
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer
from tests.core.batches import Taken, take


@dataclass(frozen=True, slots=True)
class Question:
    """A packet that a peer has sent and that needs an answer.

    Attributes:
        command: Its type.
        echo: The expected data, for an echo.
        taken: Number of batches that had been taken before.
    """

    command: Command
    echo: bytes
    taken: int


@dataclass(slots=True, eq=False)
class Asker:
    """A peer, and its questions without an answer."""

    wire: WirePeer
    waiting: deque[Question] = field(default_factory=deque)


class HeldReplies(RuleBasedStateMachine):
    """Peers, a worker, and a store."""

    askers = Bundle("askers")

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire(JobServerOptions(durability=Durability.COMMIT))
        self.all: list[Asker] = []
        self.taken = 0
        self.settled = 0  # batches that were committed or have failed
        self.batch: Taken | None = None
        self.stored: set[bytes] = set()  # handles
        self.handles: dict[int, bytes] = {}  # by the numbers that the store has got
        self.were_stored: set[bytes] = set()
        self.ended: set[bytes] = set()
        self.promised: set[bytes] = set()
        self.echoes = 0

    @initialize()
    def begin(self) -> None:
        self.worker = self.wire.connect()
        self.worker.send(Command.CAN_DO, b"f")

    @rule(target=askers)
    def connect(self) -> Asker:
        asker = Asker(self.wire.connect())
        self.all.append(asker)
        return asker

    # Actions of peers.

    @rule(asker=askers, unique=st.sampled_from([b"", b"", b"a", b"b"]), background=st.booleans())
    def submit(self, asker: Asker, unique: bytes, background: bool) -> None:
        self.ask(asker, Command.SUBMIT_JOB_BG if background else Command.SUBMIT_JOB, b"f", unique, b"w")

    @rule(asker=askers)
    def echo(self, asker: Asker) -> None:
        self.echoes += 1
        had_to_wait = bool(asker.waiting)
        self.ask(asker, Command.ECHO_REQ, b"%d" % self.echoes)
        assert bool(asker.waiting) == had_to_wait, "a peer without held replies is answered at once"

    def ask(self, asker: Asker, command: Command, *arguments: bytes) -> None:
        asker.waiting.append(Question(command, arguments[0], self.taken))
        asker.wire.send(command, *arguments)
        self.hear(asker)

    @rule(ends=st.booleans())
    def work(self, ends: bool) -> None:
        """Grab a job, and end it or lose it."""
        self.worker.send(Command.GRAB_JOB)
        reply = self.worker.packets()[-1]
        if reply[0] is Command.JOB_ASSIGN:
            handle = reply[1]
            assert isinstance(handle, bytes)
            if ends:
                self.ended.add(handle)
                self.worker.send(Command.WORK_COMPLETE, handle, b"")
            else:
                self.worker.close()
                self.begin()
        self.hear_all()

    # Actions of the store.

    @precondition(lambda self: self.batch is None and self.wire.server.commit_queue.has_changes)
    @rule()
    def take(self) -> None:
        self.taken += 1
        self.batch = take(self.wire.server.commit_queue)
        self.handles |= {record.number: record.handle for record in self.batch.stored}

    @precondition(lambda self: self.batch is not None)
    @rule()
    def commit(self) -> None:
        self.store()
        self.settled += 1
        self.wire.server.commit_queue.committed()
        self.after_a_batch()

    @precondition(lambda self: self.batch is not None)
    @rule(all_the_same=st.booleans())
    def fail(self, all_the_same: bool) -> None:
        if all_the_same:
            self.store()
        else:
            self.batch = None
        before = set(self.promised)
        self.settled += 1
        self.wire.server.store_failed(CommitOutcome.UNKNOWN)
        self.after_a_batch()
        assert not any(asker.waiting for asker in self.all), "no reply waits while the store is unavailable"
        assert self.promised - before <= self.ended | self.were_stored

    def store(self) -> None:
        assert self.batch is not None
        handles = {record.handle for record in self.batch.stored}
        self.were_stored |= handles
        self.stored |= handles
        self.stored -= {self.handles[number] for number in self.batch.ended if number in self.handles}
        self.batch = None

    def after_a_batch(self) -> None:
        self.hear_all()
        late = [asker for asker in self.all if asker.waiting and asker.waiting[0].taken < self.taken]
        assert not late, "questions from before the batch was taken are answered"

    # Answers to peers.

    def hear_all(self) -> None:
        for asker in self.all:
            self.hear(asker)

    def hear(self, asker: Asker) -> None:
        for command, *arguments in asker.wire.packets():
            if command is not Command.WORK_COMPLETE:
                question = asker.waiting.popleft()
                if question.command is Command.ECHO_REQ:
                    assert (command, arguments) == (Command.ECHO_RES, [question.echo])
                elif command is Command.JOB_CREATED:
                    self.hear_promise(question, arguments[0])
                else:
                    assert (question.command, command) == (Command.SUBMIT_JOB_BG, Command.ERROR)
                    assert arguments[0] == b"QUEUE_ERROR"

    def hear_promise(self, question: Question, handle: Command | bytes) -> None:
        assert isinstance(handle, bytes)
        if question.command is Command.SUBMIT_JOB_BG:
            ended_in_its_batch = handle in self.ended and self.settled > question.taken
            assert handle in self.were_stored or ended_in_its_batch, "a promise before its commit"
            self.promised.add(handle)

    def teardown(self) -> None:
        """Commit everything that is left."""
        if self.batch is not None:
            self.commit()
        while self.wire.server.commit_queue.has_changes:
            self.take()
            self.commit()
        lines = self.wire.connect().say("show jobs").splitlines()[:-1]
        known = {line.split("\t")[0].encode() for line in lines if line.endswith("\t1")}
        assert self.stored == known, "the store and the server disagree"
        assert self.promised - self.ended <= self.stored
        assert not any(asker.waiting for asker in self.all)


HeldReplies.TestCase.settings = settings(stateful_step_count=40)
TestHeldReplies = HeldReplies.TestCase
