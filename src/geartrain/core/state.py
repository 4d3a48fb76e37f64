# SPDX-License-Identifier: MIT
"""Jobs, the functions whose queues they wait in, and the peers that submit and run them.

The three refer to each other, so they stand in one module. They keep themselves consistent and decide nothing.

A peer is a connection; it can be client and worker at once. These hold between any two calls from outside:

- a job is in the queue of its function, or delayed, or runs at one peer, or has ended;
- the waiters of a job and ``peer.awaited`` say the same thing from both ends;
- a peer that is asleep is in ``sleepers`` of each function that it can do; one that has woken up leaves a list only
  when it is met there. When it left and entered all, a worker of 100 functions cost a round trip 22 us instead of 6.
"""

from collections import OrderedDict
from typing import Final

from mypy_extensions import i32, i64, mypyc_attr, u8

from geartrain.core.access import Identity
from geartrain.core.deadlines import Deadline
from geartrain.core.durable import Durable
from geartrain.core.outcome import JobState
from geartrain.core.policy import FunctionPolicy
from geartrain.core.recipient import Recipient
from geartrain.core.record import JobRecord, pack_plain
from geartrain.core.sleepstate import SleepState
from geartrain.core.stats import FunctionStats
from geartrain.core.takenaway import TakenAway
from geartrain.protocol._binary import BytesWriter
from geartrain.protocol.limits import INT64_MAX
from geartrain.protocol.reader import Reader
from geartrain.wording import counted

__all__ = ["NO_PROGRESS", "PRIORITIES", "Ability", "FunctionQueue", "Job", "JobDetails", "Line", "Peer"]

NO_PROGRESS: Final = (b"0", b"0")
PRIORITIES: Final = 3

_NEW: Final = int(JobState.NEW)
_DELAYED: Final = int(JobState.DELAYED)
_ENDED: Final = int(JobState.ENDED)
_EMPTY: Final = b""

# Module names: looking up a member of an enumeration costs as much as a call.
_AWAKE: Final = int(SleepState.AWAKE)
_ASLEEP: Final = int(SleepState.ASLEEP)
_POLLING: Final = int(SleepState.POLLING)


@mypyc_attr(acyclic=True)
class JobDetails:
    """Facts about a job that hardly any job has while it waits.

    Attributes:
        reducer: The function that puts the results of its parts together; empty for none.
        record: The record that the job came back from, whose further fields it keeps.
        progress: Numerator and denominator: text, as the worker sent it, which is only passed on.
        waiters: How many foreground submissions wait for it, by peer, unless it is a single one.
    """

    __slots__ = ("progress", "record", "reducer", "waiters")

    def __init__(self, reducer: bytes = b"", record: JobRecord | None = None) -> None:
        self.reducer = reducer
        self.record = record
        self.progress = NO_PROGRESS
        self.waiters: dict[Peer, int] | None = None


@mypyc_attr(acyclic=True)
class Job(Durable):
    """One piece of work, from its first submission to its end (protocol 1.6).

    A million of them may wait, and each field is 8 MB then. So rare facts are in `JobDetails`, small numbers are small
    fields side by side, and the garbage collector does not know jobs: it would stop the server for as long as it takes
    to look at all of them. Nothing is lost by it, as a job that ends refers to nothing that refers to it.

    Attributes:
        handle: Its name on the wire.
        priority: As `geartrain.Priority` has it.
        state: A `JobState`.
        background: It was submitted in the background, and has to run whoever leaves.
        was_long: An attempt ran for more than a second, and the store knows.
        created_at: Milliseconds since the epoch.
        since: The monotonic time since which it is in its state.
        losses: How many workers it has lost.
        waiter: The client that waits for it, if there is only one that waits once; see also `JobDetails`.
        deadline: The end of the delay, or of the running time.
        next: The next job in its line; `previous` likewise.
    """

    __slots__ = (
        "background",
        "created_at",
        "deadline",
        "details",
        "handle",
        "losses",
        "next",
        "previous",
        "priority",
        "queue",
        "since",
        "state",
        "unique",
        "waiter",
        "was_long",
        "worker",
    )

    def __init__(
        self, number: i64, handle: bytes, queue: "FunctionQueue", unique: bytes, workload: bytes, priority: i64
    ) -> None:
        super().__init__(number, workload)
        # Fields of one size stand together, as each is aligned by its size.
        self.priority: u8 = u8(priority)
        self.state: u8 = u8(_NEW)
        self.background = False
        self.was_long = False
        self.losses: i32 = 0
        self.handle = handle
        self.queue = queue
        self.unique = unique
        self.created_at: i64 = 0
        self.since = 0.0
        self.waiter: Peer | None = None
        self.worker: Peer | None = None
        self.deadline: Deadline[Job] | None = None
        self.details: JobDetails | None = None
        self.next: Job | None = None
        self.previous: Job | None = None

    @property
    def reducer(self) -> bytes:
        """The function that puts the results of its parts together; empty for none."""
        details = self.details
        return _EMPTY if details is None else details.reducer

    @property
    def progress(self) -> tuple[bytes, bytes]:
        """Numerator and denominator, as its worker has reported them last."""
        details = self.details
        return NO_PROGRESS if details is None else details.progress

    @property
    def waiters(self) -> "dict[Peer, int] | None":
        """How many foreground submissions wait, by peer, unless it is a single one."""
        details = self.details
        return None if details is None else details.waiters

    @property
    def is_awaited(self) -> bool:
        """Whether a client waits for it."""
        return self.waiter is not None or (self.details is not None and self.details.waiters is not None)

    @property
    def has_owner(self) -> bool:
        """Whether the job has to run: for its waiters, or in the background."""
        return self.background or self.is_awaited

    def add_details(self) -> JobDetails:
        """Return its details, which it has from now on."""
        details = self.details
        if details is None:
            details = self.details = JobDetails()
        return details

    @property
    def has_ended(self) -> bool:
        """Whether the job is over."""
        return self.state == _ENDED

    def record(self) -> JobRecord:
        """Return what a store keeps of the job."""
        details = self.details
        known = details.record if details is not None else None
        if known is not None:  # it may have fields that this version does not use
            return known.replace(run_at=self._run_at(), losses=self.losses, started=self.was_long)
        return JobRecord(
            self.number,
            self.handle,
            self.queue.name,
            self.unique,
            self.priority,
            self.workload,
            created_at=self.created_at,
            run_at=self._run_at(),
            losses=self.losses,
            reducer=self.reducer,
            started=self.was_long,
        )

    def pack_plain(self, buffer: BytesWriter) -> bool:
        """Write the record in its plain layout, if that says everything."""
        details = self.details
        if details is not None and (len(details.reducer) or details.record is not None):
            return False
        if self.losses or self.was_long or self.state == _DELAYED:
            return False
        pack_plain(
            buffer,
            self.number,
            self.created_at,
            i64(self.priority),
            self.handle,
            self.queue.name,
            self.unique,
            self.workload,
        )
        return True

    def _run_at(self) -> int:
        """Return when a delayed job is due, in milliseconds since the epoch."""
        deadline = self.deadline
        if self.state != _DELAYED or deadline is None:
            return 0
        return min(int(deadline.when * 1000), INT64_MAX)

    def waits(self, peer: "Peer") -> int:
        """Return how many foreground submissions of a peer wait for the job."""
        if self.waiter is not None:
            return 1 if self.waiter is peer else 0
        return self.waiters.get(peer, 0) if self.waiters is not None else 0

    def waiting_clients(self) -> int:
        """Return the number of foreground submissions that wait for the job."""
        return 1 if self.waiter is not None else sum(self.waiters.values()) if self.waiters is not None else 0

    def all_waiters(self) -> list[tuple["Peer", int]]:
        """Return the peers that wait, each with how many of its submissions do."""
        if self.waiter is not None:
            return [(self.waiter, 1)]
        return list(self.waiters.items()) if self.waiters is not None else []

    def add_waiter(self, peer: "Peer") -> None:
        """Let a foreground submission of ``peer`` wait; two submissions wait twice."""
        peer.awaited.add(self)
        details = self.details
        if self.waiter is None and (details is None or details.waiters is None):
            self.waiter = peer
            return
        details = self.add_details()
        waiters = details.waiters
        if waiters is None:
            assert self.waiter is not None, "it has one waiter"
            waiters = details.waiters = {self.waiter: 1}
            self.waiter = None
        waiters[peer] = waiters.get(peer, 0) + 1

    def remove_waiter(self, peer: "Peer") -> None:
        """Let no submission of ``peer`` wait any more."""
        if self.waiter is peer:
            self.waiter = None
        else:
            details = self.details
            assert details is not None, "the peer waits for the job"
            assert details.waiters is not None, "the peer waits for the job"
            del details.waiters[peer]
            if not details.waiters:
                details.waiters = None
        peer.awaited.discard(self)

    def clear_waiters(self) -> None:
        """Let no client wait any more."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            waiter.awaited.discard(self)
        details = self.details
        if details is not None and details.waiters is not None:
            for peer in details.waiters:
                peer.awaited.discard(self)
            details.waiters = None

    def __repr__(self) -> str:
        return f"<Job {self.handle.decode(errors='replace')} {JobState(self.state).name.lower()}>"


class Line:
    """Jobs of one priority in the order in which they are handed out, linked through themselves.

    Attributes:
        size: How many there are.
    """

    __slots__ = ("head", "size", "tail")

    def __init__(self) -> None:
        self.head: Job | None = None
        self.tail: Job | None = None
        self.size: i64 = 0

    def append(self, job: Job) -> None:
        """Add a job at the end."""
        tail = self.tail
        if tail is None:
            self.head = job
        else:
            tail.next = job
            job.previous = tail
        self.tail = job
        self.size += 1

    def prepend(self, job: Job) -> None:
        """Add a job at the front."""
        head = self.head
        if head is None:
            self.tail = job
        else:
            head.previous = job
            job.next = head
        self.head = job
        self.size += 1

    def remove(self, job: Job) -> None:
        """Take a job out, wherever it is."""
        before, behind = job.previous, job.next
        if before is None:
            self.head = behind
        else:
            before.next = behind
            job.previous = None
        if behind is None:
            self.tail = before
        else:
            behind.previous = before
            job.next = None
        self.size -= 1


class FunctionQueue:
    """The jobs of one function, and the workers that can do them.

    Attributes:
        lines: The jobs that wait, by priority.
        waiting: How many jobs wait in all.
        is_ready: Whether a job waits and nothing blocks the function, so that a grab may take one.
        running: How many jobs run.
        total: How many jobs there are: delayed, waiting and running.
        limits: By priority, the total at which a new job of that priority is refused; 0 for none.
        policy: The operator's rules for its jobs.
        stats: What has happened to its jobs.
        workers: The peers that can do the function, each with its ability.
        sleepers: Those of them that are asleep, and perhaps some that were; see `next_sleeper`.
        unready: By priority, the abilities of workers with many functions that do not look for such jobs at present.
        woken: How many peers were woken for a job of this function and have not answered yet.
    """

    __slots__ = (
        "is_ready",
        "limits",
        "lines",
        "name",
        "policy",
        "running",
        "sleepers",
        "stats",
        "total",
        "unready",
        "waiting",
        "woken",
        "workers",
    )

    def __init__(self, name: bytes, policy: FunctionPolicy) -> None:
        self.name = name
        self.policy = policy
        self.stats = FunctionStats()
        self.lines = [Line(), Line(), Line()]
        self.waiting: i64 = 0
        self.is_ready = False
        self.running: i64 = 0
        self.total: i64 = 0
        self.limits: list[int] | None = None
        self.workers: dict[Peer, Ability] = {}
        self.sleepers: OrderedDict[Peer, None] = OrderedDict()
        self.unready: list[dict[Ability, None]] | None = None
        self.woken: i64 = 0

    def enqueue(self, job: Job, *, first: bool) -> bool:
        """Let a job wait, behind or before the others of its priority; tell whether none of these waited."""
        line = self.lines[job.priority]
        if first:
            line.prepend(job)
        else:
            line.append(job)
        self.waiting += 1
        self.is_ready = True
        return line.size == 1

    def remove(self, job: Job) -> None:
        """Take out a job that waits."""
        self.lines[job.priority].remove(job)
        self.waiting -= 1
        if not self.waiting:
            self.is_ready = False

    def first_job(self) -> Job:
        """Return the job whose turn it is. There must be one."""
        job = self.lines[self.top].head
        assert job is not None, "the line has jobs"
        return job

    @property
    def top(self) -> i64:
        """The highest priority at which a job waits. There must be one."""
        lines = self.lines
        return 0 if lines[0].size else 1 if lines[1].size else 2

    @property
    def is_used(self) -> bool:
        """Whether something would be lost with the function: a worker, a job or a limit."""
        return bool(self.workers or self.total or self.limits)

    def is_full(self, priority: i64) -> bool:
        """Tell whether a new job of that priority has to be refused (protocol 1.15)."""
        return self.limits is not None and 0 < self.limits[priority] <= self.total

    def first_job_for(self, peer: "Peer") -> Job | None:
        """Return the job that a worker gets next: none that was taken from it and that it may still be running."""
        for line in self.lines:
            job = line.head
            while job is not None:
                if job.handle not in peer.taken_away:
                    return job
                job = job.next
        return None

    def next_sleeper(self) -> "Peer | None":
        """Return the worker that is asleep and has waited longest for a job of this function to wake it."""
        while self.sleepers:
            peer = next(iter(self.sleepers))
            if peer.sleep_state == _ASLEEP or peer.sleep_state == _POLLING:
                return peer
            self.remove_sleeper(peer)
        return None

    def remove_sleeper(self, peer: "Peer") -> None:
        """Take a peer from the list of sleepers until it falls asleep again."""
        del self.sleepers[peer]
        peer.unlisted[self] = None

    def __repr__(self) -> str:
        name = self.name.decode(errors="replace")
        workers = counted(len(self.workers), "worker")
        return f"<FunctionQueue {name}: {self.waiting} waiting, {self.running} running, {workers}>"


class Ability:
    """A function that a peer can do.

    Attributes:
        is_enabled: The peer has not taken it back.
        timeout: Seconds that a job may run, or 0 for any time.
        rank: The place in the peer's list of functions; the lowest is served first.
    """

    __slots__ = ("is_enabled", "peer", "queue", "rank", "timeout")

    def __init__(self, peer: "Peer", queue: FunctionQueue, rank: i64, timeout: float) -> None:
        self.peer = peer
        self.queue = queue
        self.rank = rank
        self.timeout = timeout
        self.is_enabled = True


class Peer(Recipient):
    """One connection: what it said it can do, what it runs, what it waits for, and what is to be sent to it.

    Attributes:
        host: Its address, as ``workers`` shows it.
        fd: The number of its connection, likewise.
        is_local: Whether it connects from this machine.
        identity: The peer as rules of access see it.
        exceptions: It wants WORK_EXCEPTION, and not WORK_FAIL in its place.
        long_polling: A GRAB_JOB_ALL of it that finds no job waits for one.
        abilities: The functions that it can do, by name.
        sole: Its ability if it has exactly one.
        heaps: For a peer with many abilities: those that may have jobs, by priority; see `geartrain.core.ready`.
        awaited: The jobs whose foreground results it waits for.
        current: The job that it runs, or the first of several.
        running: The others that it runs, by handle.
        taken_away: The jobs that were taken from it before its last word on them.
        sleep_state: A `SleepState`.
        unlisted: Of the functions that it can do, those whose list of sleepers it is to enter when it falls asleep.
        woken_for: The queue for whose job it was woken and has not answered yet.
        declines: How often in a row it was woken and went back to sleep.
        pushed_job: The job that it got in its sleep, until it is heard of.
    """

    __slots__ = (
        "_first_rank",
        "_last_rank",
        "abilities",
        "awaited",
        "client_id",
        "current",
        "declines",
        "exceptions",
        "fd",
        "heaps",
        "host",
        "identity",
        "is_local",
        "long_polling",
        "pushed_job",
        "running",
        "sleep_state",
        "sole",
        "taken_away",
        "unlisted",
        "woken_for",
    )

    def __init__(
        self, host: str, fd: int, is_local: bool, exceptions: bool, reader: Reader, dirty: list[Recipient]
    ) -> None:
        super().__init__(reader, dirty)
        self.host = host
        self.fd = fd
        self.is_local = is_local
        self.identity = Identity(host, is_local)
        self.client_id = b"-"
        self.exceptions = exceptions
        self.long_polling = False
        self.abilities: dict[bytes, Ability] = {}
        self.sole: Ability | None = None
        self.heaps: list[list[tuple[int, Ability]]] | None = None
        self._first_rank: i64 = 0
        self._last_rank: i64 = 0
        self.awaited: set[Job] = set()
        self.current: Job | None = None
        self.running: dict[bytes, Job] | None = None
        self.taken_away = TakenAway()
        self.sleep_state: i64 = _AWAKE
        self.unlisted: dict[FunctionQueue, None] = {}
        self.woken_for: FunctionQueue | None = None
        self.declines: i64 = 0
        self.pushed_job: Job | None = None

    # What it runs.

    @property
    def is_busy(self) -> bool:
        """Whether it runs a job."""
        return self.current is not None

    def find_running(self, handle: bytes) -> "Job | None":
        """Return the job with that handle that it runs."""
        job = self.current
        if job is not None and job.handle == handle:
            return job
        return self.running.get(handle) if self.running is not None else None

    def add_running(self, job: Job) -> None:
        """Let it run a job."""
        if self.current is None:
            self.current = job
        else:
            if self.running is None:
                self.running = {}
            self.running[job.handle] = job

    def remove_running(self, job: Job) -> None:
        """Let it run a job no longer."""
        running = self.running
        if self.current is not job:
            assert running is not None, "it runs the job"
            del running[job.handle]
        elif running is not None and len(running):
            self.current = running.pop(next(iter(running)))
        else:
            self.current = None

    def running_jobs(self) -> list[Job]:
        """Return the jobs that it runs, the oldest first."""
        if self.current is None:
            return []
        return [self.current, *self.running.values()] if self.running else [self.current]

    # What it can do.

    @property
    def is_asleep(self) -> bool:
        """Whether it sleeps, with a grab that waits or without."""
        return self.sleep_state == _ASLEEP or self.sleep_state == _POLLING

    def enable(self, queue: FunctionQueue, timeout: float) -> Ability:
        """Add a function at the front of the list, or give the one that is there another timeout."""
        ability = self.abilities.get(queue.name)
        if ability is not None:
            ability.timeout = timeout
            return ability
        self._first_rank -= 1
        ability = Ability(self, queue, self._first_rank, timeout)
        self.abilities[queue.name] = ability
        self.sole = ability if len(self.abilities) == 1 else None
        queue.workers[self] = ability
        if self.is_asleep:
            queue.sleepers[self] = None
        else:
            self.unlisted[queue] = None
        return ability

    def disable(self, ability: Ability) -> None:
        """Take a function from the list."""
        queue = ability.queue
        abilities = self.abilities
        ability.is_enabled = False
        del abilities[queue.name]
        self.sole = next(iter(abilities.values())) if len(abilities) == 1 else None
        del queue.workers[self]
        queue.sleepers.pop(self, None)
        self.unlisted.pop(queue, None)

    def fall_asleep(self, state: i64) -> None:
        """Sleep, in the lists of all functions that it can do; one that polls is at the front of those it enters."""
        self.sleep_state = state
        for queue in self.unlisted:
            queue.sleepers[self] = None
            if state == _POLLING:
                queue.sleepers.move_to_end(self, last=False)
        self.unlisted.clear()

    def leave_lists(self) -> None:
        """Leave the lists of sleepers, all of which it is in, to enter them at their ends."""
        for ability in self.abilities.values():
            ability.queue.remove_sleeper(self)

    def move_last(self, ability: Ability) -> None:
        """Let a function that was served be the last in the list (round robin)."""
        self._last_rank += 1
        ability.rank = self._last_rank

    def functions(self) -> list[bytes]:
        """Return the names of the functions that it can do, in the order of its list."""
        return [ability.queue.name for ability in sorted(self.abilities.values(), key=_rank)]

    def helpers(self) -> "set[Peer]":
        """Return the peers that run what it waits for."""
        return {job.worker for job in self.awaited if job.worker is not None}

    def __repr__(self) -> str:
        return f"<Peer {self.fd} {self.host} {self.client_id.decode(errors='replace')}>"


def _rank(ability: Ability) -> int:
    return ability.rank
