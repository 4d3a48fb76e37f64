# SPDX-License-Identifier: MIT
"""What a job server knows: jobs, the functions whose queues they wait in, and the peers that send and run them.

The three refer to each other, so they stand in one module. They keep themselves consistent and decide nothing.

A peer is a connection; it can be client and worker at once. These hold between any two calls from outside:

- a job is in the queue of its function, or delayed, or in ``running`` of one peer, or ended;
- ``job.waiters`` and ``peer.awaited`` say the same thing from both ends;
- a peer that is asleep is in ``sleepers`` of each function that it can do; one that has woken up leaves a list only
  when it is met there. When it left and entered all, a worker of 100 functions cost a round trip 22 us instead of 6.
"""

import enum
from collections import OrderedDict, deque
from typing import Final

from geartrain.core.access import Standing
from geartrain.core.deadlines import Deadline
from geartrain.jobrecord import JobRecord
from geartrain.protocol.commands import Command
from geartrain.protocol.packets import response

__all__ = ["NO_PROGRESS", "Ability", "FunctionQueue", "Job", "JobState", "Peer", "UncommonJob"]

NO_PROGRESS = (b"0", b"0")

_PRIORITIES: Final = 3
_NOOP: Final = response(Command.NOOP)
_NO_JOB: Final = response(Command.NO_JOB)
# The latest time that stores have room for. A time is a float here, and the one next to this is one second too late.
_LATEST: Final = 2**63 - 1
_FEW_ENDED: Final = 64  # ended jobs in a line that are not worth a clean-up

# Results that a worker may still send for jobs that were taken from it. A worker that answers for them forgets one at
# a time; the bound is for workers that never do.
_MAX_RELEASED: Final = 1024


class JobState(enum.Enum):
    """Where a job is."""

    DELAYED = "delayed"  # until its time comes
    WAITING = "waiting"  # in the queue of its function
    RUNNING = "running"  # at a worker
    ENDED = "ended"  # forgotten, but for a place in a queue that is skipped


# Module names: looking up a member of an enumeration costs 100 ns, as much as a call.
_DELAYED: Final = JobState.DELAYED
_WAITING: Final = JobState.WAITING
_ENDED: Final = JobState.ENDED
_new_tuple: Final = tuple.__new__  # a named one, past its constructor, which takes twice the time of all else


class Job:
    """One piece of work, from its first submission to its end (protocol 1.6).

    A million of them may wait, and each field is 8 MB then. What hardly any job has is left to `UncommonJob`.

    Attributes:
        background: Somebody submitted it in the background: it has to run, whoever leaves.
        is_durable: A store has it, or is about to be told.
        waiters: How many foreground submissions wait for it, by peer.
        deadline: The end of the delay, or of the running time.
        progress: Numerator and denominator: text, as the worker sent it, which is only ever passed on.
    """

    __slots__ = (
        "background",
        "deadline",
        "handle",
        "is_durable",
        "priority",
        "progress",
        "queue",
        "retries",
        "state",
        "unique",
        "waiters",
        "worker",
        "workload",
    )

    def __init__(self, handle: bytes, queue: "FunctionQueue", unique: bytes, workload: bytes, priority: int) -> None:
        self.handle = handle
        self.queue = queue
        self.unique = unique
        self.workload = workload
        self.priority = priority
        self.state = _DELAYED
        self.background = False
        self.is_durable = False
        self.waiters: dict[Peer, int] | None = None  # None saves a dict a job
        self.worker: Peer | None = None
        self.deadline: Deadline[Job] | None = None
        self.retries = 0
        self.progress = NO_PROGRESS

    @property
    def number(self) -> int:
        """What tells it apart in a store. It is in the handle: an int of its own would be 40 bytes a job."""
        return int(self.handle.rpartition(b":")[2])

    @property
    def reducer(self) -> bytes:
        """Who puts the results of its parts together; empty if there are none."""
        return b""

    @property
    def is_wanted(self) -> bool:
        """Whether anybody would miss the job."""
        return self.background or bool(self.waiters)

    @property
    def has_ended(self) -> bool:
        """Whether the job is over."""
        return self.state is _ENDED

    def record(self) -> JobRecord:
        """Return what a store keeps of the job."""
        run_at = min(int(self.deadline.when), _LATEST) if self.state is _DELAYED and self.deadline is not None else 0
        return _new_tuple(
            JobRecord,
            (
                self.number,
                self.handle,
                self.queue.name,
                self.unique,
                self.priority,
                self.workload,
                run_at,
                self.retries,
                self.reducer,
                b"",
                "",
            ),
        )

    def waiting_clients(self) -> int:
        """Return the number of foreground submissions that wait for the job."""
        return sum(self.waiters.values()) if self.waiters else 0

    def add_waiter(self, peer: "Peer") -> None:
        """Let a foreground submission of ``peer`` wait; two submissions wait twice."""
        if self.waiters is None:
            self.waiters = {peer: 1}
        else:
            self.waiters[peer] = self.waiters.get(peer, 0) + 1
        peer.awaited.add(self)

    def forget_waiters(self) -> None:
        """Let nobody wait any more."""
        assert self.waiters is not None, "somebody waits"
        for peer in self.waiters:
            peer.awaited.discard(self)
        self.waiters = None

    def send_to_waiters(self, packet: bytes) -> None:
        """Send a packet to each waiting client, once for each of its submissions."""
        if self.waiters is not None:
            for peer, times in self.waiters.items():
                peer.send(packet)
                for _ in range(times - 1):
                    peer.send(packet)

    def __repr__(self) -> str:
        return f"<Job {self.handle.decode(errors='replace')} {self.state.value}>"


class UncommonJob(Job):
    """A job that has a reducer, or another number than the one in its handle, as it came from elsewhere."""

    __slots__ = ("_number", "_reducer")

    def __init__(
        self,
        number: int,
        handle: bytes,
        queue: "FunctionQueue",
        unique: bytes,
        workload: bytes,
        priority: int,
        reducer: bytes,
    ) -> None:
        super().__init__(handle, queue, unique, workload, priority)
        self._number = number
        self._reducer = reducer

    @property
    def number(self) -> int:
        """What tells it apart in a store."""
        return self._number

    @property
    def reducer(self) -> bytes:
        """Who puts the results of its parts together; empty if there are none."""
        return self._reducer


class FunctionQueue:
    """The jobs of one function, and who can do them.

    Attributes:
        waiting: How many jobs wait, by priority.
        runnable: How many jobs wait in all.
        total: How many jobs there are: delayed, waiting and running.
        limits: By priority, the total at which a new job of that priority is refused; 0 for none.
        workers: The peers that can do the function.
        sleepers: Those of them that are asleep, and perhaps some that were; see `next_sleeper`.
        filled: The functions with jobs that wait, of which this is one while it has any.
        coming: How many peers were woken for a job of this function and have not answered yet.
        taken: How many jobs were handed out.
    """

    __slots__ = (
        "_ended",
        "_lines",
        "coming",
        "filled",
        "limits",
        "name",
        "runnable",
        "running",
        "sleepers",
        "taken",
        "total",
        "waiting",
        "workers",
    )

    def __init__(self, name: bytes, filled: "dict[FunctionQueue, None]") -> None:
        self.name = name
        self.filled = filled
        self._lines: list[deque[Job]] = [deque() for _ in range(_PRIORITIES)]
        self._ended = [0] * _PRIORITIES  # jobs that ended while they waited and are still in their line
        self.waiting = [0] * _PRIORITIES
        self.runnable = 0
        self.running = 0
        self.total = 0
        self.limits = [0] * _PRIORITIES
        self.workers: dict[Peer, None] = {}
        self.sleepers: OrderedDict[Peer, None] = OrderedDict()
        self.coming = 0
        self.taken = 0

    @property
    def top(self) -> int:
        """The highest priority at which a job waits. There must be one."""
        waiting = self.waiting
        return 0 if waiting[0] else 1 if waiting[1] else 2

    @property
    def is_used(self) -> bool:
        """Whether something would be lost with the function: a worker, a job or a limit."""
        return bool(self.workers or self.total or any(self.limits))

    def is_full(self, priority: int) -> bool:
        """Tell whether a new job of that priority has to be refused (protocol 1.15)."""
        return 0 < self.limits[priority] <= self.total

    def append(self, job: Job) -> None:
        """Let a job wait behind the others of its priority."""
        priority = job.priority
        job.state = _WAITING
        self._lines[priority].append(job)
        self.waiting[priority] += 1
        if not self.runnable:
            self.filled[self] = None
        self.runnable += 1

    def append_first(self, job: Job) -> None:
        """Let a job that lost its worker wait in front of the others: it has waited once already."""
        self.append(job)
        line = self._lines[job.priority]
        line.appendleft(line.pop())

    def take(self) -> Job:
        """Take out the job whose turn it is. There must be one."""
        waiting = self.waiting
        priority = 0 if waiting[0] else 1 if waiting[1] else 2
        line = self._lines[priority]
        job = line.popleft()
        while job.state is _ENDED:
            self._ended[priority] -= 1
            job = line.popleft()
        waiting[priority] -= 1
        self._has_one_less()
        self.taken += 1
        return job

    def discard(self, job: Job) -> None:
        """Forget a waiting job that has ended. Its place in the line is skipped, or swept out with others."""
        priority = job.priority
        self.waiting[priority] -= 1
        self._has_one_less()
        self._ended[priority] += 1
        if self._ended[priority] > _FEW_ENDED and self._ended[priority] > self.waiting[priority]:
            self._lines[priority] = deque([left for left in self._lines[priority] if left.state is not _ENDED])
            self._ended[priority] = 0

    def _has_one_less(self) -> None:
        self.runnable -= 1
        if not self.runnable:
            del self.filled[self]

    def next_sleeper(self) -> "Peer | None":
        """Return who is asleep and has waited longest for a job of this function to wake it."""
        while self.sleepers:
            peer = next(iter(self.sleepers))
            if peer.asleep:
                return peer
            self.unlist(peer)
        return None

    def unlist(self, peer: "Peer") -> None:
        """Take a peer from the list of sleepers until it falls asleep again."""
        del self.sleepers[peer]
        peer.unlisted[self] = None

    def __repr__(self) -> str:
        name = self.name.decode(errors="replace")
        return f"<FunctionQueue {name}: {self.runnable} waiting, {self.running} running, {len(self.workers)} workers>"


class Ability:
    """That a peer can do a function.

    Attributes:
        timeout: Seconds that a job may run, or 0 for any time.
        rank: The place in the peer's list of functions; the lowest is served first.
    """

    __slots__ = ("queue", "rank", "timeout")

    def __init__(self, queue: FunctionQueue, rank: int, timeout: float) -> None:
        self.queue = queue
        self.rank = rank
        self.timeout = timeout


class _Held:
    """What a peer is sent once a batch is stored: promises, and all that comes behind them."""

    __slots__ = ("batch", "promises", "replies")

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.replies: list[bytes] = []
        self.promises: list[int] = []  # which of the replies are true only once the batch is stored


class Peer:
    """One connection: what it said it can do, what it runs, what it waits for, and what is to be sent to it.

    Attributes:
        awake: It is neither asleep, nor coming, nor resting, nor silent, nor unheard of since it was handed a job: see
            `geartrain.core.wakeups`.
        host: Its address, as ``workers`` shows it.
        fd: The number of its connection, likewise.
        is_local: Whether it connects from this machine.
        closing: It is to be closed once everything has been sent.
        awaited: The jobs whose foreground results it waits for.
        running: The jobs that it runs, by handle.
        unlisted: Of the functions that it can do, those whose list of sleepers it is to enter when it falls asleep.
        woken_for: The queue for whose job it was woken and has not answered yet.
        declined: How often in a row it was woken and went back to sleep.
        standing: Who it is in the eyes of the rules.
        lasting: Whether its grabs last until there is a job.
        is_asking: Whether one of them is unanswered.
        handed: The job that it got in its sleep, until it is heard of.
    """

    __slots__ = (
        "_dirty",
        "_first_rank",
        "_held",
        "_last_rank",
        "_released",
        "abilities",
        "asleep",
        "awaited",
        "awake",
        "client_id",
        "closing",
        "declined",
        "exceptions",
        "fd",
        "handed",
        "host",
        "is_asking",
        "is_local",
        "lasting",
        "outgoing",
        "running",
        "standing",
        "unlisted",
        "woken_for",
    )

    def __init__(self, host: str, fd: int, is_local: bool, exceptions: bool, dirty: "list[Peer]") -> None:
        self.host = host
        self.fd = fd
        self.is_local = is_local
        self.standing = Standing(host, is_local)
        self.client_id = b"-"
        self.exceptions = exceptions
        self.closing = False
        self.outgoing: list[bytes] = []
        self._held: deque[_Held] = deque()
        self._dirty = dirty
        self.abilities: dict[bytes, Ability] = {}
        self._first_rank = 0
        self._last_rank = 0
        self.awaited: set[Job] = set()
        self.running: dict[bytes, Job] = {}
        self._released: dict[bytes, None] = {}
        self.awake = True
        self.asleep = False
        self.unlisted: dict[FunctionQueue, None] = {}
        self.woken_for: FunctionQueue | None = None
        self.declined = 0
        self.lasting = False
        self.is_asking = False
        self.handed: Job | None = None

    def send(self, data: bytes) -> None:
        """Let bytes go out with the others at the end of the turn, unless what is before them has to wait."""
        if self._held:
            self._held[-1].replies.append(data)
            return
        if not self.outgoing:
            self._dirty.append(self)
        self.outgoing.append(data)

    @property
    def is_held(self) -> bool:
        """Whether replies wait for something to be stored."""
        return bool(self._held)

    def send_when_stored(self, batch: int, promise: bytes) -> None:
        """Let a reply go out when a batch is stored, and whatever follows behind it."""
        if not self._held or self._held[-1].batch != batch:
            self._held.append(_Held(batch))
        held = self._held[-1]
        held.promises.append(len(held.replies))
        held.replies.append(promise)

    def send_stored(self, batch: int) -> None:
        """Let go out what waited for a batch, or for one before it."""
        self._dirty.append(self)
        while self._held and self._held[0].batch <= batch:
            self.outgoing += self._held.popleft().replies

    def send_refused(self, batch: int, refusal: bytes) -> None:
        """Let go out what waited for a batch, with a refusal in place of each promise."""
        for held in self._held:
            if held.batch == batch:
                for place in held.promises:
                    held.replies[place] = refusal
        self.send_stored(batch)

    def take_outgoing(self, most: int) -> bytes | None:
        """Return what is to be sent, in order, and forget it; or None if that is more than ``most`` bytes.

        One packet alone is never too much. But one may be there a thousand times, and joined they would be real.
        """
        outgoing = self.outgoing
        if not outgoing:
            return b""
        self.outgoing = []
        if len(outgoing) == 1:
            return outgoing[0]
        size = 0
        for packet in outgoing:
            size += len(packet)
        return b"".join(outgoing) if size <= most else None

    def send_noop(self) -> None:
        """Wake the worker."""
        self.send(_NOOP)

    def send_no_job(self) -> None:
        """Tell the worker that there is no job for it."""
        self.send(_NO_JOB)

    def enable(self, queue: FunctionQueue, timeout: float) -> None:
        """Add a function at the front of the list, or give the one that is there another timeout."""
        ability = self.abilities.get(queue.name)
        if ability is not None:
            ability.timeout = timeout
            return
        self._first_rank -= 1
        self.abilities[queue.name] = Ability(queue, self._first_rank, timeout)
        queue.workers[self] = None
        if self.asleep:
            queue.sleepers[self] = None
        else:
            self.unlisted[queue] = None

    def disable(self, ability: Ability) -> None:
        """Take a function from the list."""
        queue = ability.queue
        del self.abilities[queue.name]
        del queue.workers[self]
        queue.sleepers.pop(self, None)
        self.unlisted.pop(queue, None)

    def fall_asleep(self, *, first: bool = False) -> None:
        """Be asleep, in the lists of all functions that it can do, and perhaps at the front of those it enters."""
        self.asleep = True
        for queue in self.unlisted:
            queue.sleepers[self] = None
            if first:
                queue.sleepers.move_to_end(self, last=False)
        self.unlisted.clear()

    def leave_lists(self) -> None:
        """Leave the lists of sleepers, all of which it is in, to enter them at their ends."""
        for ability in self.abilities.values():
            ability.queue.unlist(self)

    def move_last(self, ability: Ability) -> None:
        """Let a function that was served be the last in the list (round robin)."""
        self._last_rank += 1
        ability.rank = self._last_rank

    def functions(self) -> list[bytes]:
        """Return the names of the functions that it can do, in the order of its list."""
        return [ability.queue.name for ability in sorted(self.abilities.values(), key=lambda ability: ability.rank)]

    def helpers(self) -> "set[Peer]":
        """Return the peers that run what it waits for."""
        return {job.worker for job in self.awaited if job.worker is not None}

    def release(self, handle: bytes) -> None:
        """Remember that a job was taken from this worker, or ended without it, before its last word."""
        self._released[handle] = None
        if len(self._released) > _MAX_RELEASED:
            del self._released[next(iter(self._released))]

    def was_released(self, handle: bytes, *, is_last: bool) -> bool:
        """Tell whether a result is for such a job; the last word for it ends the memory."""
        if handle not in self._released:
            return False
        if is_last:
            del self._released[handle]
        return True

    def __repr__(self) -> str:
        return f"<Peer {self.fd} {self.host} {self.client_id.decode(errors='replace')}>"
