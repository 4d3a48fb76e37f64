# SPDX-License-Identifier: MIT
"""A naive job server, made of lists and scans: the model that ours has to agree with.

It does not model wake-ups; those have invariants of their own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from geartrain.core import JobServerOptions, PriorityScope
from geartrain.protocol import Command

__all__ = ["ModelJob", "ModelPeer", "ModelServer"]


@dataclass(eq=False)
class ModelPeer:
    """A connection: the functions that it can do in the order of its list, with their timeouts."""

    abilities: dict[bytes, float] = field(default_factory=dict)
    order: list[bytes] = field(default_factory=list)
    released: set[bytes] = field(default_factory=set)
    handed: "tuple[ModelJob, float] | None" = None  # the job pushed to it and the time, until it sends something


@dataclass(eq=False)
class ModelJob:
    """A job; it waits if no worker runs it and its delay has ended."""

    handle: bytes
    function: bytes
    unique: bytes
    workload: bytes
    priority: int
    run_at: float
    is_background: bool = False
    waiters: Counter[ModelPeer] = field(default_factory=Counter)
    worker: ModelPeer | None = None
    timeout_at: float | None = None
    grabbed: int = 0  # the number of the grab that assigned it last
    retries: int = 0
    waiting_since: float | None = None

    @property
    def is_wanted(self) -> bool:
        return self.is_background or self.waiters.total() > 0

    @property
    def key(self) -> bytes | None:
        """The key by which submissions to its function coalesce."""
        if self.unique == b"-":
            return b"-" + self.workload if self.workload else None
        return b"u" + self.unique if self.unique else None


class ModelServer:
    """The naive server. ``sent`` collects the packets that each peer has to receive, except wake-ups."""

    def __init__(self, options: JobServerOptions) -> None:
        self.options = options
        self.jobs: list[ModelJob] = []  # in queue order: jobs that lost their worker are in front
        self.created = 0
        self.grabs = 0
        self.now = 0.0
        self.sent: defaultdict[ModelPeer, list[tuple[object, ...]]] = defaultdict(list)

    def waiting(self, function: bytes) -> list[ModelJob]:
        return [job for job in self.jobs if job.function == function and job.waiting_since is not None]

    def submit(
        self,
        peer: ModelPeer,
        function: bytes,
        unique: bytes,
        workload: bytes,
        priority: int,
        background: bool,
        delay: float,
    ) -> None:
        new = ModelJob(b"", function, unique, workload, priority, self.now + delay)
        same = [job for job in self.jobs if new.key is not None and (job.function, job.key) == (function, new.key)]
        if same:
            (job,) = same
        else:
            job = new
            self.created += 1
            job.handle = b"H:localhost:%d" % self.created
            self.jobs.append(job)
            if not delay:
                job.waiting_since = self.now
        if background:
            job.is_background = True
        else:
            job.waiters[peer] += 1
        self.sent[peer].append((Command.JOB_CREATED, job.handle))

    def grab(self, peer: ModelPeer) -> None:
        job = self.next_job(peer)
        if job is None:
            self.sent[peer].append((Command.NO_JOB,))
            return
        self.grabs += 1
        job.grabbed = self.grabs
        job.worker = peer
        job.waiting_since = None
        timeout = peer.abilities[job.function]
        job.timeout_at = self.now + timeout if timeout else None
        if self.options.priority_scope is PriorityScope.GLOBAL or self.options.round_robin:
            peer.order.remove(job.function)
            peer.order.append(job.function)
        self.sent[peer].append((Command.JOB_ASSIGN_UNIQ, job.handle, job.function, job.unique, job.workload))

    def next_job(self, peer: ModelPeer) -> ModelJob | None:
        heads = []
        for place, function in enumerate(peer.order):
            waiting = [job for job in self.waiting(function) if job.handle not in peer.released]
            if waiting:
                head = min(waiting, key=lambda job: job.priority)  # the first of those with the best priority
                reach = head.priority if self.options.priority_scope is PriorityScope.GLOBAL else 0
                heads.append(((reach, place), head))
        return min(heads, key=lambda entry: entry[0])[1] if heads else None

    def result(self, peer: ModelPeer, command: Command, handle: bytes) -> None:
        job = next((job for job in self.jobs if job.handle == handle and job.worker is peer), None)
        ends = command in (Command.WORK_COMPLETE, Command.WORK_FAIL, Command.WORK_EXCEPTION)
        if job is None:
            if handle not in peer.released:
                self.sent[peer].append((Command.ERROR, b"JOB_NOT_FOUND"))
            elif ends:
                peer.released.discard(handle)
                if command is Command.WORK_COMPLETE:
                    self.complete_late(handle)
            return
        told: tuple[object, ...] = (command, handle, b"data")
        if command in (Command.WORK_FAIL, Command.WORK_EXCEPTION):
            told = (Command.WORK_FAIL, handle)
        self.tell(job, told)
        if command is Command.WORK_EXCEPTION:
            peer.released.add(handle)
        if ends:
            self.jobs.remove(job)

    def complete_late(self, handle: bytes) -> None:
        """Accept the result of a worker from which a job was taken, unless the job has ended."""
        job = next((job for job in self.jobs if job.handle == handle), None)
        if job is not None:
            if job.worker is not None:
                job.worker.released.add(handle)
            self.tell(job, (Command.WORK_COMPLETE, handle, b"data"))
            self.jobs.remove(job)

    def cancel(self, handle: bytes) -> None:
        job = next(job for job in self.jobs if job.handle == handle)
        if job.worker is not None:
            job.worker.released.add(handle)
        self.give_up(job)

    def disconnect(self, peer: ModelPeer) -> None:
        for job in list(self.jobs):
            if job.waiters.pop(peer, 0) and not job.is_wanted and job.worker is None:
                self.jobs.remove(job)
        lost = [job for job in self.jobs if job.worker is peer]
        for job in sorted(lost, key=lambda job: job.grabbed, reverse=True):
            self.give_back(job)

    def advance(self, seconds: float, peers: "Iterable[ModelPeer]" = ()) -> None:
        """Let time pass; ``peers`` are all peers, in the order in which they got jobs."""
        self.now += seconds
        late = [job for job in self.jobs if job.timeout_at is not None and job.timeout_at <= self.now]
        for job in sorted(late, key=lambda job: (job.timeout_at, job.grabbed)):
            assert job.worker is not None
            job.worker.released.add(job.handle)
            self.give_back(job)
        for peer in peers:
            if peer.handed is not None and peer.handed[1] + self.options.rearm_after <= self.now:
                job, peer.handed = peer.handed[0], None
                if job in self.jobs and job.worker is peer:
                    peer.released.add(job.handle)
                    self.requeue(job)
        due = [job for job in self.jobs if job.worker is None and job.waiting_since is None and job.run_at <= self.now]
        for job in sorted(due, key=lambda job: job.run_at):
            job.waiting_since = self.now
            self.jobs.remove(job)
            self.jobs.append(job)

    def give_back(self, job: ModelJob) -> None:
        job.retries += 1
        if 0 <= self.options.job_retries <= job.retries:
            self.give_up(job)
        else:
            self.requeue(job)

    def requeue(self, job: ModelJob) -> None:
        if not job.is_wanted:
            self.jobs.remove(job)
        else:
            job.worker = job.timeout_at = None
            job.waiting_since = self.now
            self.jobs.remove(job)
            self.jobs.insert(0, job)

    def give_up(self, job: ModelJob) -> None:
        self.tell(job, (Command.WORK_FAIL, job.handle))
        self.jobs.remove(job)

    def tell(self, job: ModelJob, packet: tuple[object, ...]) -> None:
        for waiter, times in job.waiters.items():
            self.sent[waiter].extend([packet] * times)
