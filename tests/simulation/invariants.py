# SPDX-License-Identifier: MIT
"""The invariants of a server, checked from outside: on every packet that it handles or sends, and after each turn.

1. Nothing that was acknowledged is lost: a background job is in the store when JOB_CREATED leaves, and stays there
   until a worker has said its last word; it is in the server after each restart, and none is left over at the end.
2. Each packet about a job goes to the submissions that wait for it, with the data of its worker, and to no other peer.
   Each of them gets one end. Each request gets its answer, in order.
3. A handle names one job, over all restarts: its number is reserved in the store before. A job is assigned to a worker
   that can do it and has a grab pending, with the bytes of its submission, not before its time, and to one worker at a
   time. Another one gets it only if the first was lost, too slow, or did not confirm it. None gets it after its end, or
   after its client got an error, or after an administrator has cancelled it.
4. No job waits while a worker that can do it sleeps beyond the re-arm time, unless another one was just woken.
5. The limits hold: memory of jobs and of what connections hold, jobs of a connection, unsent bytes.
6. A schedule has its job done after each of its times, on the wall clock of the server, and not before; a worker that
   can do it does not sleep meanwhile beyond the re-arm time and the second in which the server looks at that clock.
7. A peer without the right to a function gets no handle for a submission and no job, and cancels nothing.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from geartrain.core import Durability, JobServer, JobServerOptions, Peer
from geartrain.core.limits import JOB_WEIGHT
from geartrain.core.numbers import TRANSIENT
from geartrain.core.packing import unpack
from geartrain.protocol import LONG_POLL, REQUEST, RESPONSE, Command, Reader
from tests.simulation.disk import Table
from tests.simulation.network import Link
from tests.simulation.rights import ADMIN, SUBMIT, WORK, Rights
from tests.simulation.timeline import Clock, Timeline, Trace, Violation

__all__ = ["Invariants", "TrackedJob", "Watched", "identity", "number_of"]

_SLACK = 0.05  # seconds: turns take time
_SUBMISSIONS = {
    Command.SUBMIT_JOB: False,
    Command.SUBMIT_JOB_HIGH: False,
    Command.SUBMIT_JOB_LOW: False,
    Command.SUBMIT_JOB_BG: True,
    Command.SUBMIT_JOB_HIGH_BG: True,
    Command.SUBMIT_JOB_LOW_BG: True,
    Command.SUBMIT_JOB_EPOCH: True,
    Command.SUBMIT_JOB_SCHED: True,
    Command.SUBMIT_REDUCE_JOB: False,
    Command.SUBMIT_REDUCE_JOB_BACKGROUND: True,
}
_REDUCES = (Command.SUBMIT_REDUCE_JOB, Command.SUBMIT_REDUCE_JOB_BACKGROUND)
_QUESTIONS = {
    Command.ECHO_REQ: Command.ECHO_RES,
    Command.GET_STATUS: Command.STATUS_RES,
    Command.GET_STATUS_UNIQUE: Command.STATUS_RES_UNIQUE,
    Command.OPTION_REQ: Command.OPTION_RES,
}
_ANSWERS = frozenset(_QUESTIONS.values())
_ENDS = (Command.WORK_COMPLETE, Command.WORK_FAIL, Command.WORK_EXCEPTION)
_REPORTS = (*_ENDS, Command.WORK_DATA, Command.WORK_WARNING, Command.WORK_STATUS)
_NO_ROOM = b"Too much "  # at the start of the exception of a job that the server has ended, as a limit leaves no room
_MANY = 300  # jobs above which they are not counted after each turn, which would take most of the time
_LOOKED_AT = 1.0  # seconds between two looks of the server at the wall clock
_MOST_UNCOUNTED = 64 * 1024, 1024 * 1024  # bytes that are held and not counted yet, of a connection and of all
_COUNTED_AFTER = 2.5  # seconds; the server counts all of them once a second, if it is not paused
_MOST_UNCOUNTED_CHECKS = 3
_CANCEL = b"cancel job "
_LIST = b"show "


def number_of(handle: bytes) -> int:
    """Return the number in a handle."""
    return int(handle.rpartition(b":")[2])


def _next_minute(wall: float) -> float:
    return (wall // 60 + 1) * 60


def identity(workload: bytes) -> bytes:
    """Return the part of a workload that says which job it is."""
    return workload.partition(b"|")[0]


@dataclass(slots=True)
class _Request:
    """A request that waits for its answer; a submission has a function."""

    awaited: Command
    function: bytes = b""
    unique: bytes = b""
    workload: bytes = b""
    background: bool = False
    reducer: bytes = b""
    is_schedule: bool = False


@dataclass(eq=False, slots=True)
class TrackedJob:
    """A job of the server, as far as its packets show.

    Attributes:
        is_owed: It was acknowledged as a background job, or restored.
        is_certain: It is known to be in the server: its end would be seen.
        waits_since: The time since when it waits for a worker, if it is known to.
        run_at: Seconds since the epoch before which it must not start.
        worker: The connection that runs it.
        assigned_at: The time.
        is_pushed: It was pushed to a worker that has not confirmed it in time.
        timeout: Seconds that it may run; 0 for no limit.
        may_have_ended: Its worker has failed it at about the time at which it was taken from it.
        is_counted: It counts into the memory of jobs.
        is_restored: It was submitted in an earlier life of the server.
        due_since: The time since when its delay has been over.
        taken_from: The connections that may still run it.
        end: The packet that ended it, and its data.
        cancels: Number of times that an administrator has asked to cancel it.
        is_unstored: It is in the memory of the server alone, as another server has taken the store over.
        is_schedule: It is a schedule, which is kept like a job, and never runs itself.
        clients: The connections with submissions that wait for it.
    """

    handle: bytes
    function: bytes
    unique: bytes
    workload: bytes
    is_owed: bool = False
    is_certain: bool = True
    waits_since: float | None = None
    run_at: float = 0.0
    worker: "Watched | None" = None
    assigned_at: float = 0.0
    is_pushed: bool = False
    timeout: float = 0.0
    may_have_ended: bool = False
    is_counted: bool = False
    is_restored: bool = False
    due_since: float | None = None
    taken_from: "list[Watched]" = field(default_factory=list)
    end: tuple[Command, bytes] | None = None
    cancels: int = 0
    is_unstored: bool = False
    is_schedule: bool = False
    clients: "dict[Watched, None]" = field(default_factory=dict)

    def __repr__(self) -> str:
        state = "ended" if self.end is not None else "runs" if self.worker is not None else "waits"
        return f"<{self.handle.decode()} {self.function.decode()} {identity(self.workload).decode()} {state}>"


@dataclass(eq=False, slots=True)
class _Schedule:
    """A schedule for each minute, over all lives; its jobs have its function and identity.

    Attributes:
        since: Number of jumps of the wall clock before its last job, or its first submission.
        earliest: The time of the wall clock before which its next job must not start.
        latest: The time of the wall clock at which it is due.
        overdue_since: The time since when the wall clock has shown that.
        job: The schedule itself, in this life of the server.
        run: Its last job in this life.
    """

    since: int
    earliest: float
    latest: float
    overdue_since: float | None = None
    job: TrackedJob | None = None
    run: TrackedJob | None = None


class Watched:
    """A connection of one life of the server; a tap of its transport.

    Attributes:
        peer: The core's side.
        awaited: Number of submissions that wait, by handle.
        abilities: The timeout of each function that it can do.
        able_since: The time of its registration.
        just_removed: Those that it has unregistered in this turn, in which a job may have been assigned before.
        grabs: Number of grabs that were not answered.
        asleep_since: The time of PRE_SLEEP, or of a grab that is held, unless it was woken since.
        woken_at: The time of a NOOP that it has not answered.
        was_noop: The last packet was a NOOP, so that a job behind it was pushed.
        pushed: The job that was pushed to it, until it sends something.
        token: The last token of the rules that it has shown.
        denied: The functions for which it has no right, as `abilities`.
        texts: Its text commands that were not answered.
    """

    def __init__(self, owner: "Invariants", link: Link) -> None:
        self._owner = owner
        self._in = Reader(REQUEST)
        self._out = Reader(RESPONSE)
        self.link = link
        self.peer: Peer
        self.pending: deque[_Request] = deque()
        self.awaited: dict[bytes, int] = {}
        self.abilities: dict[bytes, float] = {}
        self.able_since: dict[bytes, float] = {}
        self.just_removed: dict[bytes, float] = {}
        self.grabs = 0
        self.long_polls = False
        self.asleep_since: float | None = None
        self.woken_at: float | None = None
        self.was_noop = False
        self.pushed: TrackedJob | None = None
        self.token = b""
        self.denied: dict[bytes, float] = {}
        self.texts: deque[bytes] = deque()
        self.is_lost = False

    def __repr__(self) -> str:
        return f"<connection {self.link.number}>"

    def begin(self, peer: Peer) -> None:
        """Follow a connection that has just begun."""
        self.peer = peer

    def received(self, data: bytes) -> None:
        """Follow the bytes that the server is about to handle."""
        if self.peer.closing:
            return
        self._owner.trace.note(self.link.number, ">", len(data))
        self._in.feed(data)
        while self._in.advance():
            self._owner.requested(self, Command(self._in.command), self._in.arguments())
        if self._in.partial:
            self._owner.begun(self, *self._in.announced(), int(self._in.partial))

    def sent(self, data: bytes) -> None:
        """Follow the bytes that the server sends."""
        self._owner.trace.note(self.link.number, "<", len(data))
        self._out.feed(data)
        while self._out.advance():
            self._owner.answered(self, Command(self._out.command), self._out.arguments())

    def dropped(self) -> None:
        """Follow that the server ends the connection at once."""
        self._owner.dropped(self)

    def lost(self) -> None:
        """Follow the end of the connection."""
        self._owner.disconnected(self)


class Invariants:
    """The state of a server as its packets show it, over all lives.

    Args:
        timeline: Simulated time.
        clock: The clock of the server.
        trace: Gets all packets.
        options: The options of the core.
        max_unsent: Bytes that may wait for a peer.
        rights: The rights of peers; None for no rules.
    """

    def __init__(
        self,
        timeline: Timeline,
        clock: Clock,
        trace: Trace,
        options: JobServerOptions,
        max_unsent: int,
        rights: Rights | None,
    ) -> None:
        self._timeline = timeline
        self._clock = clock
        self.trace = trace
        self._options = options
        self._max_unsent = max_unsent
        self._rights = rights
        self._names: dict[bytes, tuple[bytes, bytes]] = {}  # function and identity by handle
        self._asked: set[tuple[bytes, bytes, bytes]] = set()
        self._reducers: dict[bytes, bytes] = {}  # by identity
        self._schedules: dict[tuple[bytes, bytes], _Schedule] = {}  # by function and identity
        self._unready_at = 0.0  # when the server last did not run schedules
        self._was_unready = False  # in this life
        self._turn_began: float | None = None  # when the first packet of this turn was handled
        self._cancelled: list[TrackedJob] = []  # in this turn
        self._cancelling: dict[Watched, None] = {}
        self._unknown: dict[bytes, bool] = {}  # handles to be cancelled that no packet has named; True if they were
        self.events: dict[str, int] = {}
        self._jobs: dict[bytes, TrackedJob] = {}  # of this life
        self._connections: dict[Watched, None] = {}
        self._server: JobServer | None = None
        self._table: Callable[[], Table]
        self._dirty: dict[TrackedJob, None] = {}  # jobs that ended in this turn, with clients
        self._removals: dict[Watched, None] = {}
        self._just_ended: dict[TrackedJob, None] = {}
        self._refused: set[bytes] = set()  # identities
        self._just_refused: list[bytes] = []
        self._owed = 0
        self._turns = 0
        self._over = (0.0, 0)  # since when connections hold too much, and the number of checks
        self._memory = 0
        self.ends = 0
        self.job_seconds = 0.0
        self._since: dict[bytes, float] = {}
        self._run_at: dict[bytes, float] = {}  # by identity

    # Lives of the server.

    def begin(self, server: JobServer, table: Callable[[], Table]) -> None:
        """Follow a new life of the server, with what its store has."""
        self._server = server
        self._table = table
        self._jobs = {}
        self._removals = {}
        self._refused = set()
        self._connections = {}
        if self._options.durability not in (Durability.COMMIT, Durability.RELAXED):
            self._names = {}  # numbers begin again
        self._dirty = {}
        self._owed = self._memory = 0
        self._cancelled = []
        self._cancelling = {}
        self._unknown = {}
        self._over = (self._timeline.now, 0)
        self._was_unready = False
        for schedule in self._schedules.values():
            schedule.job = schedule.run = schedule.overdue_since = None

    def restored(self) -> None:
        """Begin with the jobs that the store has, when the server has opened it."""
        for packed in self._table().jobs.values():
            record = unpack(packed)
            job = TrackedJob(record.handle, record.function, record.unique, record.workload, is_owed=True)
            job.is_restored = True
            job.run_at = record.run_at / 1000
            self._name(job)
            self._jobs[job.handle] = job
            self._owed += 1
            schedule = self._schedules.get((job.function, identity(job.workload)))
            if schedule is None:
                continue
            if record.schedule:
                job.is_schedule = True
                job.run_at = 0.0
                schedule.job = job
                schedule.earliest = min(record.run_at / 1000, _next_minute(self._clock.time()))
                schedule.latest = _next_minute(self._clock.time())
                schedule.since = len(self._clock.jumps)
            else:
                schedule.run = job

    def ended(self, table: Table, *, in_order: bool, is_fenced: bool) -> None:
        """Check that the store has all that it must have at the end of a life of the server.

        Args:
            table: The store, after what a crash did to it.
            in_order: The server was stopped, rather than killed.
            is_fenced: Another server had taken the store over.
        """
        self._server = None
        durability = self._options.durability
        if durability is Durability.NONE or (durability is not Durability.COMMIT and not in_order):
            return
        for job in self._jobs.values():
            is_stored = number_of(job.handle) in table.jobs
            if job.is_owed and job.end is None and not is_stored and not job.is_unstored:
                raise Violation(f"{job} was acknowledged, and is not in the store after the server has ended")
            if job.end is not None and is_stored and in_order and not is_fenced:
                raise Violation(f"{job} has ended, and is in the store after the server was stopped")

    def fenced(self) -> None:
        """Expect no more that jobs are stored which were acknowledged before; the server still has them in memory."""
        if self._options.durability is not Durability.COMMIT:
            for job in self._jobs.values():
                if job.is_owed and job.end is None and number_of(job.handle) not in self._table().jobs:
                    job.is_unstored = True

    # Connections.

    def connect(self, link: Link) -> Watched:
        """Return the tap of a new connection."""
        watched = Watched(self, link)
        self._connections[watched] = None
        return watched

    def disconnected(self, watched: Watched) -> None:
        """Follow the end of a connection."""
        self.trace.note(watched.link.number, "lost")
        if watched.is_lost:
            return
        watched.is_lost = True
        self._connections.pop(watched, None)
        self._doubt_cancels(watched)
        for handle in watched.awaited:
            job = self._jobs.get(handle)
            if job is not None:
                job.clients.pop(watched, None)
                if not job.clients and not job.is_owed:
                    self._lose_sight(job)
        for job in self._jobs.values():
            if job.worker is watched:
                self._requeued(job)

    def dropped(self, watched: Watched) -> None:
        """Follow that the server drops a connection; it may end one of its jobs, as a limit leaves no room."""
        self.trace.note(watched.link.number, "dropped")
        self._note("connection dropped")
        for job in self._jobs.values():
            if job.worker is watched:
                self._doubt(job)

    def begun(self, watched: Watched, command: int, handle: bytes, size: int) -> None:
        """Follow a packet that is not complete; a result may be dropped for want of memory, which ends its job."""
        most = self._options.max_memory
        if most and command in _REPORTS and size * 40 > most and handle in self._jobs:
            self._doubt(self._jobs[handle])

    def _doubt(self, job: TrackedJob) -> None:
        """Expect that a job may have ended."""
        if job.end is None:
            self._lose_sight(job)
            job.may_have_ended = True

    def _note(self, event: str) -> None:
        self.events[event] = self.events.get(event, 0) + 1

    def _requeued(self, job: TrackedJob) -> None:
        job.worker = None
        job.is_pushed = False
        job.waits_since = self._timeline.now if job.is_certain and (job.is_owed or job.clients) else None

    def _lose_sight(self, job: TrackedJob) -> None:
        """Expect nothing of a job any more: packets do not show whether the server still has it."""
        job.is_certain = False
        job.waits_since = None
        self._count(job, False)
        if job.is_owed:
            job.is_owed = False
            self._owed -= 1

    # Packets to the server.

    def requested(self, watched: Watched, command: Command, arguments: list[bytes]) -> None:
        """Follow a packet that the server is about to handle."""
        self.trace.note(" ", command.name, identity(arguments[0]) if arguments else b"")
        if self._turn_began is None:
            self._turn_began = self._timeline.now
        watched.was_noop = False
        pushed = watched.pushed
        if pushed is not None:
            watched.pushed = None
            took = self._timeline.now - pushed.assigned_at
            if pushed.worker is watched and took < self._options.rearm_after - _SLACK:
                pushed.is_pushed = False
        if command in _SUBMISSIONS:
            function, unique, workload = arguments[0], arguments[1], arguments[-1]
            request = _Request(Command.JOB_CREATED, function, unique, workload, _SUBMISSIONS[command])
            self._asked.add((function, unique, workload))
            if command in _REDUCES:
                request.reducer = self._reducers[identity(workload)] = arguments[2]
            if command is Command.SUBMIT_JOB_SCHED:
                request.is_schedule = True
                self._plan(function, workload)
            if command is Command.SUBMIT_JOB_EPOCH:
                self._run_at[identity(workload)] = float(arguments[2])
            watched.pending.append(request)
        elif command in _QUESTIONS:
            if command is Command.OPTION_REQ and arguments[0] == LONG_POLL:
                watched.long_polls = True
            elif command is Command.OPTION_REQ:
                self._show_token(watched, arguments[0].removeprefix(b"token="))
            watched.pending.append(_Request(_QUESTIONS[command]))
        elif command in (Command.CAN_DO, Command.CAN_DO_TIMEOUT):
            if self._server is not None and self._server.is_draining:
                return
            own = int(arguments[1]) / 1000 if len(arguments) > 1 else 0.0
            timeout = self._options.job_timeout if len(arguments) == 1 else max(own, 1.0) if own else 0.0
            if not self._may(watched, WORK, arguments[0]):
                watched.denied[arguments[0]] = timeout
                watched.pending.append(_Request(Command.ERROR))
                return
            if arguments[0] not in watched.abilities:
                watched.able_since[arguments[0]] = self._timeline.now
            watched.abilities[arguments[0]] = timeout
        elif command is Command.CANT_DO:
            watched.denied.pop(arguments[0], None)
            if arguments[0] in watched.abilities:
                watched.just_removed[arguments[0]] = watched.abilities.pop(arguments[0])
                self._removals[watched] = None
        elif command in (Command.GRAB_JOB, Command.GRAB_JOB_UNIQ, Command.GRAB_JOB_ALL):
            watched.grabs += 1
            watched.asleep_since = self._timeline.now if watched.long_polls else None
            watched.woken_at = None
        elif command is Command.PRE_SLEEP:
            watched.asleep_since = self._timeline.now
            watched.woken_at = None
        elif command in _REPORTS:
            self._reported(watched, command, arguments)
        elif command is Command.TEXT:
            self._said(watched, arguments[0])

    # Rights and text commands.

    def _may(self, watched: Watched, right: int, function: bytes) -> bool:
        return self._rights is None or self._rights.allow(watched.token, right, function)

    def _show_token(self, watched: Watched, token: bytes) -> None:
        if self._rights is None or not self._rights.knows(token):
            return
        watched.token = token
        for function in [each for each in watched.denied if self._may(watched, WORK, each)]:
            watched.abilities[function] = watched.denied.pop(function)
            watched.able_since[function] = self._timeline.now

    def _said(self, watched: Watched, line: bytes) -> None:
        """Follow a text command that the server is about to handle."""
        watched.texts.append(line)
        if line.startswith(b"token "):
            self._show_token(watched, line.removeprefix(b"token "))
        elif line.startswith(_CANCEL):
            self._cancelling[watched] = None
            handle = line.removeprefix(_CANCEL)
            job = self._jobs.get(handle)
            if job is not None:
                job.cancels += 1
            else:
                self._unknown.setdefault(handle, False)

    def _replied(self, watched: Watched, line: bytes) -> None:
        """Check a line of the answer to a text command."""
        command = watched.texts[0]
        if command.startswith(_LIST) and line != b".":
            return
        watched.texts.popleft()
        if not command.startswith(_CANCEL) or not line.startswith(b"OK"):
            return
        handle = command.removeprefix(_CANCEL)
        job = self._jobs.get(handle)
        if job is None:
            self._unknown[handle] = True
            return
        if not self._may(watched, ADMIN, job.function):
            raise Violation(f"{watched} has cancelled {job} without the right")
        self._note("schedule cancelled" if job.is_schedule else "job cancelled")
        self._cancelled.append(job)

    def _apply_cancels(self) -> None:
        """Take the jobs for ended that were cancelled in this turn."""
        for job in self._cancelled:
            if job.end is None:
                job.end = (Command.WORK_FAIL, b"")
                job.waits_since = job.worker = None
                self._count(job, False)
                if job.is_owed:
                    self._owed -= 1
                if self._server is not None and not self._server.is_draining:  # it has left its clients then
                    self._dirty[job] = None
        self._cancelled.clear()
        for watched in list(self._cancelling):
            if watched.peer.closing or watched.link.server.is_lost:
                self._doubt_cancels(watched)
            elif not watched.texts:
                del self._cancelling[watched]

    def _doubt_cancels(self, watched: Watched) -> None:
        """Expect that jobs may have been cancelled whose administrator was not told so."""
        self._cancelling.pop(watched, None)
        for line in watched.texts:
            job = self._jobs.get(line.removeprefix(_CANCEL))
            if job is not None:
                self._doubt(job)

    # Schedules.

    def _plan(self, function: bytes, workload: bytes) -> None:
        """Follow a schedule that is about to be submitted."""
        key = (function, identity(workload))
        if key not in self._schedules:
            due = _next_minute(self._clock.time())
            self._schedules[key] = _Schedule(len(self._clock.jumps), due, due)

    def _begin_run(self, job: TrackedJob) -> None:
        """Check that a job that a schedule has made does not start before its time."""
        schedule = self._schedules.get((job.function, identity(job.workload)))
        if schedule is None:
            return
        self._note("run of a schedule")
        now = self._clock.time()
        jumps = self._clock.jumps[schedule.since :]
        shown = max([before for _, before, _ in jumps] + [now])
        due = min([schedule.earliest] + [_next_minute(after) for _, _, after in jumps])
        if shown < due and not (schedule.run is not None and self._was_unready):
            raise Violation(f"{job} of a schedule started {due - shown:.3f} seconds too early")
        schedule.run = job
        schedule.since = len(self._clock.jumps)
        schedule.latest = max(schedule.latest, _next_minute(shown))
        # The server may not have looked at the wall clock since it was set.
        looked = self._timeline.now - _LOOKED_AT - _SLACK
        unseen = [min(before, after) for when, before, after in self._clock.jumps if when >= looked]
        schedule.earliest = _next_minute(min([now, *unseen]))
        schedule.overdue_since = None

    def _check_schedules(self) -> None:
        """Check that the job of each schedule that was due has started, if a worker for it sleeps."""
        now, wall = self._timeline.now, self._clock.time()
        rest = _LOOKED_AT + self._options.rearm_after + _SLACK
        for (function, name), schedule in self._schedules.items():
            job, run = schedule.job, schedule.run
            if job is None or not job.is_certain or job.end is not None:
                schedule.overdue_since = None
                continue
            if run is not None and run.end is None:
                schedule.latest = max(schedule.latest, _next_minute(wall))
            if wall < schedule.latest:
                schedule.overdue_since = None
                continue
            since = schedule.overdue_since
            if since is None or since < self._unready_at:
                since = schedule.overdue_since = now
            limit = now - rest
            if since >= limit or self._options.max_memory or self._was_woken(function, limit):
                continue
            for watched in self._connections:
                is_idle = self._is_idle(watched) and (watched.asleep_since or now) < limit
                if is_idle and function in watched.abilities and watched.able_since.get(function, now) < limit:
                    raise Violation(f"schedule {name!r} has been due since {since:.3f}, and {watched} sleeps")

    def _reported(self, watched: Watched, command: Command, arguments: list[bytes]) -> None:
        """Follow a packet of a worker about a job."""
        job = self._jobs.get(arguments[0])
        if job is None or job.end is not None:
            return
        is_late = watched in job.taken_from and job.worker is not watched
        if job.worker is not watched and not is_late:
            return
        if command not in _ENDS:
            return
        if is_late and command is not Command.WORK_COMPLETE:
            job.taken_from.remove(watched)
            return
        ran = self._timeline.now - job.assigned_at + _SLACK
        may_be_taken = (job.timeout and ran >= job.timeout) or (job.is_pushed and ran >= self._options.rearm_after)
        if may_be_taken and command is not Command.WORK_COMPLETE:
            self._lose_sight(job)
            job.worker = None
            job.may_have_ended = True
            return
        job.end = (command, arguments[1] if len(arguments) > 1 else b"")
        job.worker = None
        job.waits_since = None
        self.ends += 1
        self.job_seconds += self._timeline.now - self._since.get(job.handle, self._timeline.now)
        if may_be_taken:  # another worker may have got it in this turn, before this result
            self._just_ended[job] = None
        self._count(job, False)
        if job.is_owed:
            self._owed -= 1
        self._dirty[job] = None

    # Packets of the server.

    def answered(self, watched: Watched, command: Command, arguments: list[bytes]) -> None:
        """Check a packet that the server sends."""
        self.trace.note(" ", command.name, arguments[0] if arguments else b"")
        was_noop, watched.was_noop = watched.was_noop, command is Command.NOOP
        if command is Command.JOB_CREATED:
            self._created(watched, arguments[0])
        elif command in _REPORTS:
            self._told(watched, command, arguments)
        elif command in (Command.JOB_ASSIGN, Command.JOB_ASSIGN_UNIQ, Command.JOB_ASSIGN_ALL):
            self._assigned(watched, command, arguments, was_noop)
        elif command is Command.NO_JOB:
            watched.grabs -= 1
            if watched.grabs < 0:
                raise Violation(f"{watched} got NO_JOB without a grab")
            if not watched.grabs and watched.long_polls:
                watched.asleep_since = None
        elif command is Command.NOOP:
            if watched.asleep_since is not None:
                watched.woken_at = self._timeline.now
            watched.asleep_since = None
        elif command in _ANSWERS:
            self._answer(watched, command)
        elif command is Command.TEXT:
            self._replied(watched, arguments[0])
        elif command is Command.ERROR and watched.pending:
            request = watched.pending.popleft()
            if request.awaited is Command.JOB_CREATED and not request.unique:
                self._just_refused.append(identity(request.workload))

    def _answer(self, watched: Watched, command: Command) -> _Request:
        request = watched.pending.popleft() if watched.pending else None
        if request is None or request.awaited is not command:
            raise Violation(f"{watched} got {command.name}, and waits for {request}")
        return request

    def _created(self, watched: Watched, handle: bytes) -> None:
        request = self._answer(watched, Command.JOB_CREATED)
        for function in (request.function, *([request.reducer] if request.reducer else ())):
            if not self._may(watched, SUBMIT, function):
                raise Violation(f"{watched} has submitted a job of {function!r} without the right")
        job = self._jobs.get(handle)
        if job is None:
            job = TrackedJob(handle, request.function, request.unique, request.workload)
            job.is_schedule = request.is_schedule
            self._begin(job)
            if handle in self._unknown:
                job.cancels += 1
                if self._unknown[handle]:
                    self._cancelled.append(job)
            if job.is_schedule:
                schedule = self._schedules[job.function, identity(job.workload)]
                schedule.job = job
                schedule.latest = _next_minute(self._clock.time())
                schedule.overdue_since = None
        if (job.function, identity(job.workload)) != (request.function, identity(request.workload)):
            raise Violation(f"{watched} asked for {identity(request.workload)!r}, and got the handle of {job}")
        if job.end is not None:
            if not request.background:
                self._await(watched, job)
                self._dirty[job] = None
            return
        if job.may_have_ended:
            if not request.background:
                self._await(watched, job)
            return
        job.is_certain = True
        if job.worker is None and job.waits_since is None and not job.is_schedule:
            job.waits_since = self._timeline.now
        self._count(job, True)
        if not request.background:
            self._await(watched, job)
            return
        if not job.is_owed:
            job.is_owed = True
            self._owed += 1
        if self._options.durability is Durability.COMMIT and number_of(handle) not in self._table().jobs:
            raise Violation(f"{job} was acknowledged before it was stored")

    def _await(self, watched: Watched, job: TrackedJob) -> None:
        watched.awaited[job.handle] = watched.awaited.get(job.handle, 0) + 1
        job.clients[watched] = None
        most = self._options.max_jobs_per_connection
        if most and len(watched.awaited) > most:
            raise Violation(f"{watched} waits for {len(watched.awaited)} jobs; {most} are allowed")

    def _begin(self, job: TrackedJob) -> None:
        self._name(job)
        number = number_of(job.handle)
        reserves = self._options.durability in (Durability.COMMIT, Durability.RELAXED)
        if reserves and self._table().reserved < number < TRANSIENT:
            raise Violation(f"{job} has a number beyond {self._table().reserved}, the last that is reserved")
        self._jobs[job.handle] = job
        self._since.setdefault(job.handle, self._timeline.now)
        job.run_at = self._run_at.get(identity(job.workload), 0.0)

    def _count(self, job: TrackedJob, counts: bool) -> None:
        """Count a job into the memory of jobs, or no more; those that were restored may be over the limit."""
        if counts == job.is_counted or job.is_restored:
            return
        job.is_counted = counts
        weight = len(job.workload) + JOB_WEIGHT
        self._memory += weight if counts else -weight
        if counts and 0 < self._options.max_memory < self._memory:
            raise Violation(f"the jobs take {self._memory} bytes; {self._options.max_memory} are allowed")

    def _name(self, job: TrackedJob) -> None:
        """Check that a handle names one job; transient numbers depend on the wall clock, which jumps."""
        if number_of(job.handle) < TRANSIENT:
            name = (job.function, identity(job.workload))
            if self._names.setdefault(job.handle, name) != name:
                raise Violation(f"the handle of {job} was that of {self._names[job.handle]}")

    def _told(self, watched: Watched, command: Command, arguments: list[bytes]) -> None:
        handle = arguments[0]
        count = watched.awaited.get(handle, 0)
        if not count:
            raise Violation(f"{watched} got {command.name} of {handle!r}, for which it does not wait")
        job = self._jobs[handle]
        has_data = command in (Command.WORK_DATA, Command.WORK_WARNING, Command.WORK_COMPLETE)
        if has_data and identity(arguments[1]) != identity(job.workload):
            raise Violation(f"{watched} got data of {identity(arguments[1])!r} for {job}")
        if command not in _ENDS:
            return
        if command is Command.WORK_EXCEPTION and arguments[1].startswith(_NO_ROOM):
            self._end_for_memory(job, arguments[1])
        if command is Command.WORK_COMPLETE and job.end != (command, arguments[1]):
            raise Violation(f"{watched} got a result of {job}, which no worker has sent")
        if job.end is None and job.is_certain and not job.cancels:
            raise Violation(f"{watched} was told that {job} has ended, which no worker has said")
        if count > 1:
            watched.awaited[handle] = count - 1
        else:
            del watched.awaited[handle]
            job.clients.pop(watched, None)

    def _end_for_memory(self, job: TrackedJob, text: bytes) -> None:
        """Follow the end of a job for whose result or workload the server had no memory."""
        if job.end is None:
            self._note("job without room")
            job.end = (Command.WORK_EXCEPTION, text)
            job.waits_since = job.worker = None
            self._count(job, False)
            if job.is_owed:
                self._owed -= 1
            self._dirty[job] = None

    def _assigned(self, watched: Watched, command: Command, arguments: list[bytes], was_noop: bool) -> None:
        handle, function, workload = arguments[0], arguments[1], arguments[-1]
        now = self._timeline.now
        watched.grabs -= 1
        is_pushed = watched.long_polls and was_noop
        watched.woken_at = None
        watched.asleep_since = now if watched.grabs > 0 and watched.long_polls else None
        if watched.grabs < 0:
            raise Violation(f"{watched} got {handle!r} without a grab")
        if not self._may(watched, WORK, function):
            raise Violation(f"{watched} got {handle!r} of {function!r} without the right")
        abilities = watched.just_removed | watched.abilities
        if function not in abilities and not self._is_behind(watched):
            raise Violation(f"{watched} got {handle!r} of {function!r}, which it cannot do")
        job = self._jobs.get(handle)
        if job is None:
            unique = arguments[2] if command is not Command.JOB_ASSIGN else b""
            job = TrackedJob(handle, function, unique, workload, is_certain=False)
            if (function, unique, workload) not in self._asked:
                raise Violation(f"{job} was invented")
            self._begin(job)
            self._begin_run(job)
        if (function, workload) != (job.function, job.workload):
            raise Violation(f"{job} came as {function!r} {workload[:80]!r}")
        reducer = self._reducers.get(identity(workload), b"")
        if command is Command.JOB_ASSIGN_ALL and arguments[3] != reducer:
            raise Violation(f"{job} came with the reducer {arguments[3]!r}, not {reducer!r}")
        if command is not Command.JOB_ASSIGN_ALL and reducer:
            raise Violation(f"{job} came without its reducer")
        if identity(workload) in self._refused:
            raise Violation(f"{watched} got {job}, which was refused")
        if job.end is not None:
            if job in self._just_ended:
                job.taken_from.append(watched)
                return
            raise Violation(f"{watched} got {job} after its end{' by a cancel' if job.cancels else ''}")
        if job.is_schedule:
            raise Violation(f"{watched} got {job}, which is a schedule")
        self._check_taken(watched, job)
        if job.run_at > self._clock.latest:
            raise Violation(f"{watched} got {job} {job.run_at - self._clock.latest:.3f} seconds too early")
        job.worker = watched
        job.assigned_at = now if self._turn_began is None else self._turn_began  # the server may pause within a turn
        job.waits_since = None
        job.is_pushed = is_pushed
        job.timeout = abilities.get(function, 0.0)
        if is_pushed:
            watched.pushed = job

    def _check_taken(self, watched: Watched, job: TrackedJob) -> None:
        """Check that a job that is assigned runs at no other worker, or that it was taken from that."""
        if watched in job.taken_from and not self._is_behind(watched):
            raise Violation(f"{watched} got {job}, which it may still run")
        worker = job.worker
        if worker is None or worker.peer.closing:  # the core has removed it already
            return
        ran = self._timeline.now - job.assigned_at + _SLACK
        is_too_slow = job.timeout and ran >= job.timeout
        is_unconfirmed = job.is_pushed and ran >= self._options.rearm_after
        if worker is watched or not (is_too_slow or is_unconfirmed):
            raise Violation(f"{watched} got {job}, which {worker} has had for {ran:.3f} seconds")
        job.taken_from.append(worker)

    def _is_behind(self, watched: Watched) -> bool:
        """Tell whether input of a connection is not handled yet, so that its state is not that of the server."""
        return self._server is None or self._server.is_waiting(watched.peer)

    # Turns.

    def check(self) -> None:
        """Check what must hold after a turn of the server."""
        server = self._server
        if server is None:
            return
        self._turn_began = None
        for watched in self._removals:
            watched.just_removed.clear()
        self._removals.clear()
        self._just_ended.clear()
        self._apply_cancels()
        self._refused.update(self._just_refused)
        self._just_refused.clear()
        for job in list(self._dirty):
            self._check_ends(job)
        for watched in self._connections:
            outlet = watched.peer.outlet
            if outlet is not None and not watched.peer.closing and outlet.unsent() > self._max_unsent:
                raise Violation(f"{outlet.unsent()} bytes wait for {watched}; {self._max_unsent} are allowed")
        self._check_held()
        if server.is_restoring or server.is_draining or not server.commit_queue.is_accepting:
            self._was_unready = True
            self._unready_at = self._timeline.now
        if not server.is_restoring and not server.is_draining:
            self._turns += 1
            if len(self._jobs) < _MANY or self._turns % 10 == 0:
                stored, other = server.background_jobs()
                if stored + other < self._owed:
                    raise Violation(f"the server has {stored + other} background jobs, and owes {self._owed}")
            self._check_sleepers()
            self._check_schedules()

    def _check_held(self) -> None:
        """Check that what connections hold stays within the memory limit, but for what is not counted yet."""
        most = self._options.max_memory
        if not most:
            return
        held = 0
        for watched in self._connections:
            outlet = watched.peer.outlet
            if outlet is not None and not watched.link.server.is_lost:
                held += watched.peer.reader.kept() + outlet.unsent() + watched.peer.outbox.held_size()
        one, every = _MOST_UNCOUNTED
        now = self._timeline.now
        if held <= most + one:
            self._over = (now, 0)
        else:
            since, checks = self._over
            self._over = (since, checks + 1)
            is_long = now - since > _COUNTED_AFTER and checks > _MOST_UNCOUNTED_CHECKS
            if is_long or held > most + every + one * len(self._connections):
                raise Violation(f"connections hold {held} bytes since {since:.3f}; {most} are allowed")

    def _check_ends(self, job: TrackedJob) -> None:
        """Check that all clients of a job that has ended were told, unless their replies wait for the store."""
        for watched in list(job.clients):
            if watched.peer.closing or watched.link.server.is_closing() or watched.peer.outbox.is_held:
                continue
            if self._is_behind(watched):
                return
            raise Violation(f"{watched} was not told that {job} has ended")
        if not job.clients:
            del self._dirty[job]

    def _check_sleepers(self) -> None:
        """Check that no job waits while a worker sleeps, unless another worker was woken for it in time."""
        now = self._timeline.now
        limit = now - self._options.rearm_after - _SLACK
        sleepers = [each for each in self._connections if (each.asleep_since or now) < limit and self._is_idle(each)]
        if not sleepers:
            return
        late = [job for job in self._jobs.values() if job.waits_since is not None and job.waits_since < limit]
        for job in late:
            function = job.function
            if job.run_at and not self._is_due(job):
                continue
            for watched in sleepers:
                if watched.able_since.get(function, now) >= limit or function not in watched.abilities:
                    continue
                if watched not in job.taken_from and not self._was_woken(function, limit):
                    raise Violation(f"{job} has waited since {job.waits_since:.3f}, and {watched} sleeps")

    def _is_due(self, job: TrackedJob) -> bool:
        """Tell whether the delay of a job has been over for long enough: the server looks once a second."""
        now = self._timeline.now
        if job.run_at > self._clock.time():
            job.due_since = None
            return False
        if job.due_since is None:
            job.due_since = now
        return now - job.due_since > 1.0 + self._options.rearm_after + _SLACK

    def _is_idle(self, watched: Watched) -> bool:
        transport = watched.link.server
        return not (watched.peer.closing or self._is_behind(watched)) and transport.is_reading()

    def _was_woken(self, function: bytes, limit: float) -> bool:
        woken = [each for each in self._connections if each.woken_at is not None and each.woken_at >= limit]
        return any(function in each.abilities for each in woken)

    def describe(self) -> str:
        """Return the jobs that have not ended, for a failure."""
        return ", ".join([repr(job) for job in self._jobs.values() if job.end is None][:10])
