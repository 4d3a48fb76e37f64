# SPDX-License-Identifier: MIT
"""Jobs, the queues of the functions in which they wait, and the peers that submit and run them.

The three refer to each other, so they are in one module, and decide nothing. Each relation between them has a module
that changes both ends at once: `geartrain.core.waiters`, `geartrain.core.running` and `geartrain.core.abilities`.

A peer is a connection; it can be client and worker at once. These invariants hold between any two calls from outside:

- a job is in the queue of its function, or delayed, or runs at one peer, or has ended;
- the waiters of a job and ``peer.awaited`` are the same relation, from both ends;
- a peer that is asleep is in ``sleepers`` of each function that it can do; a peer that was woken is removed from a list
  only when it is found there. When it left and entered all lists, a round trip of a worker with 100 functions took
  22 us instead of 6.
"""

from collections import OrderedDict
from typing import Final

from mypy_extensions import i16, i64, mypyc_attr, u8

from geartrain.core.deadlines import Deadline
from geartrain.core.durable import Durable
from geartrain.core.outcome import JobState
from geartrain.core.packing import pack_plain
from geartrain.core.policy import FunctionPolicy
from geartrain.core.recipient import DirtyPeers, Recipient
from geartrain.core.record import JobRecord
from geartrain.core.sleepstate import SleepState
from geartrain.core.stats import FunctionStats
from geartrain.core.takenaway import TakenAway
from geartrain.jobtimes import DelayedTime
from geartrain.protocol._binary import BytesWriter
from geartrain.protocol.limits import INT64_MAX
from geartrain.protocol.reader import Reader
from geartrain.protocol.text import printable
from geartrain.wording import counted

__all__ = ["MAX_LOSSES", "NO_PROGRESS", "PRIORITIES", "Ability", "FunctionQueue", "Job", "JobDetails", "Line", "Peer"]

NO_PROGRESS: Final = (b"0", b"0")
PRIORITIES: Final = 3
MAX_LOSSES: Final = 2**15 - 1  # that are counted; a job may lose more workers where that has no limit

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
    """Rare attributes of a job, kept apart to make a waiting job smaller.

    Attributes:
        reducer: The function that combines the results of its parts; empty for none.
        record: The record from which the job was restored, with the fields that a `Job` has no attributes for.
        progress: Numerator and denominator as text: the server only forwards them.
        waiters: Number of foreground submissions that wait for it, by peer; None for a single one or none.
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

    A million jobs may wait, and each field takes 8 MB then. So rare attributes are in `JobDetails`, small numbers are
    small fields side by side, and the garbage collector does not track jobs: a collection would stop the server while
    it visits all of them. This leaks nothing, as a job that has ended is in no reference cycle.

    Attributes:
        handle: Its name on the wire.
        priority: As `geartrain.Priority` has it.
        state: A `JobState`.
        background: It was submitted in the background, and has to run even if all clients disconnect.
        was_long: An attempt ran for more than a second, which the store has recorded.
        created_at: Milliseconds since the epoch.
        since: The monotonic time of its last change of state.
        losses: Number of attempts that ended with a lost worker or a timeout.
        waiter: The waiting client, if exactly one submission waits; see also `JobDetails`.
        deadline: The end of the delay, or of the time that it may run.
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
        self.losses: i16 = 0
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
        """The function that combines the results of its parts; empty for none."""
        details = self.details
        return _EMPTY if details is None else details.reducer

    @property
    def progress(self) -> tuple[bytes, bytes]:
        """Numerator and denominator of the last progress report."""
        details = self.details
        return NO_PROGRESS if details is None else details.progress

    @property
    def waiters(self) -> "dict[Peer, int] | None":
        """Number of foreground submissions that wait, by peer; None for a single one or none."""
        details = self.details
        return None if details is None else details.waiters

    @property
    def is_awaited(self) -> bool:
        """True if a client waits for it."""
        return self.waiter is not None or (self.details is not None and self.details.waiters is not None)

    @property
    def has_owner(self) -> bool:
        """True if the job has to run: for its waiters, or in the background."""
        return self.background or self.is_awaited

    def add_details(self) -> JobDetails:
        """Return its details, created if it has none."""
        details = self.details
        if details is None:
            details = self.details = JobDetails()
        return details

    @property
    def has_ended(self) -> bool:
        """True if the job has ended."""
        return self.state == _ENDED

    def record(self) -> JobRecord:
        """Return its record for a store."""
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
        """Write the record in its plain layout, or return False if it has other fields."""
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
        """Return the milliseconds since the epoch at which a delayed job is due, or 0."""
        deadline = self.deadline
        if self.state != _DELAYED or deadline is None:
            return 0
        return min(round(deadline.when * 1000), INT64_MAX)

    def __repr__(self) -> str:
        return f"<Job {self.handle.decode(errors='replace')} {JobState(self.state).name.lower()}>"


class Line:
    """A linked list of the waiting jobs of one priority, in the order of assignment.

    Attributes:
        size: Number of jobs.
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
        """Remove a job from any position."""
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
        lines: The waiting jobs, by priority.
        waiting: Number of waiting jobs.
        is_ready: True if a job waits and nothing blocks the function, so that a grab may take one.
        running: Number of running jobs.
        total: Number of jobs: delayed, waiting and running.
        limits: By priority, the total at which a new job of that priority is refused; 0 for none.
        policy: The operator's rules for its jobs.
        stats: Counters and histograms of its jobs.
        workers: The peers that can do the function, each with its ability.
        sleepers: The workers that are asleep, and perhaps some that were; see `next_sleeper`.
        unready: By priority, the abilities that are in no heap of their workers; see `geartrain.core.ready`.
        woken: Number of peers that were woken for a job of this function and have not answered yet.
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
        """Add a job behind or before the others of its priority; return True if it is the only one."""
        line = self.lines[job.priority]
        if first:
            line.prepend(job)
        else:
            line.append(job)
        self.waiting += 1
        self.is_ready = True
        return line.size == 1

    def remove(self, job: Job) -> None:
        """Remove a waiting job."""
        self.lines[job.priority].remove(job)
        self.waiting -= 1
        if not self.waiting:
            self.is_ready = False

    def first_job(self) -> Job:
        """Return the next job. There must be one."""
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
        """True if the function has a worker, a job or a limit."""
        return bool(self.workers or self.total or self.limits)

    def is_full(self, priority: i64) -> bool:
        """Tell whether a new job of that priority has to be refused (protocol 1.15)."""
        return self.limits is not None and 0 < self.limits[priority] <= self.total

    def __repr__(self) -> str:
        name = printable(self.name).decode(errors="replace")
        workers = counted(len(self.workers), "worker")
        return f"<FunctionQueue {name}: {self.waiting} waiting, {self.running} running, {workers}>"


class Ability:
    """A function that a peer can do.

    Attributes:
        is_enabled: The peer is still registered for the function.
        timeout: Seconds that a job may run; 0 for no limit.
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
    """A connection as client and worker: its abilities, the jobs that it runs and those that it waits for.

    Attributes:
        exceptions: It wants WORK_EXCEPTION, and not WORK_FAIL in its place.
        long_polling: Its GRAB_JOB_ALL is held while there is no job.
        next_time: The exact time and the priority of its next delayed job, if it has sent them ahead.
        abilities: The functions that it can do, by name.
        sole: Its ability if it has exactly one.
        first_rank: The lowest rank of its abilities so far; ``last_rank`` the highest.
        heaps: For a peer with many abilities: those that may have jobs, by priority; see `geartrain.core.ready`.
        awaited: The jobs whose foreground results it waits for.
        current: The job that it runs, or the first of several.
        running: The others that it runs, by handle.
        taken_away: The jobs that were taken from it before it sent a result.
        sleep_state: A `SleepState`.
        unlisted: The functions that it can do and in whose ``sleepers`` it is not; it enters them when it falls asleep.
        woken_for: The queue for whose job it was woken and has not answered yet.
        declines: Number of times in a row that it was woken and went back to sleep.
        pushed_job: The job that was pushed to it, until it sends something.
    """

    __slots__ = (
        "abilities",
        "awaited",
        "client_id",
        "current",
        "declines",
        "exceptions",
        "first_rank",
        "heaps",
        "last_rank",
        "long_polling",
        "next_time",
        "pushed_job",
        "running",
        "sleep_state",
        "sole",
        "taken_away",
        "unlisted",
        "woken_for",
    )

    def __init__(self, host: str, fd: int, is_local: bool, exceptions: bool, reader: Reader, dirty: DirtyPeers) -> None:
        super().__init__(host, fd, is_local, reader, dirty)
        self.client_id = b"-"
        self.exceptions = exceptions
        self.long_polling = False
        self.next_time: DelayedTime | None = None
        self.abilities: dict[bytes, Ability] = {}
        self.sole: Ability | None = None
        self.heaps: list[list[tuple[int, Ability]]] | None = None
        self.first_rank: i64 = 0
        self.last_rank: i64 = 0
        self.awaited: set[Job] = set()
        self.current: Job | None = None
        self.running: OrderedDict[bytes, Job] | None = None
        self.taken_away = TakenAway()
        self.sleep_state: i64 = _AWAKE
        self.unlisted: dict[FunctionQueue, None] = {}
        self.woken_for: FunctionQueue | None = None
        self.declines: i64 = 0
        self.pushed_job: Job | None = None

    @property
    def is_busy(self) -> bool:
        """True if it runs a job."""
        return self.current is not None

    @property
    def is_asleep(self) -> bool:
        """True if it sleeps, with or without a held grab."""
        return self.sleep_state == _ASLEEP or self.sleep_state == _POLLING

    def __str__(self) -> str:
        """Return its address and its client id, if it has set one, and the number that the listings show."""
        name = self.host
        if self.client_id not in (b"", b"-"):
            name += f" {printable(self.client_id).decode(errors='replace')}"
        return f"{name} (connection {self.fd})"

    def __repr__(self) -> str:
        return f"<Peer {self}>"
