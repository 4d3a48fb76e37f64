# SPDX-License-Identifier: MIT
"""Which job goes to which worker, and when.

The scheduler knows nothing of packets but the two that it sends on its own account: NOOP to wake a worker, WORK_FAIL
for a job that is given up.
"""

import logging
from collections.abc import Iterable
from typing import Final

from geartrain.core.clock import Clock
from geartrain.core.deadlines import Deadlines
from geartrain.core.expiry import Expiry
from geartrain.core.jobtable import JobTable
from geartrain.core.journal import Journal, Recorded
from geartrain.core.levels import NOTICE
from geartrain.core.limits import JOB_WEIGHT, MAX_FUNCTION_NAME, Limit, Refused
from geartrain.core.options import Durability, JobServerOptions, PriorityScope
from geartrain.core.schedules import Schedule, Schedules
from geartrain.core.stalls import StallReason, Stalls
from geartrain.core.state import NO_PROGRESS, Ability, FunctionQueue, Job, JobState, Peer
from geartrain.core.wakeups import Wakeups
from geartrain.jobrecord import JobRecord
from geartrain.protocol.commands import Command
from geartrain.protocol.packets import response
from geartrain.protocol.text import printable
from geartrain.records import Priority

__all__ = ["Scheduler"]

log = logging.getLogger("geartrain.jobs")

_NORMAL: Final = int(Priority.NORMAL)
_RUNNING: Final = JobState.RUNNING
_WAITING: Final = JobState.WAITING
_ENDED: Final = JobState.ENDED

# A wall clock may be set while jobs wait for a time of day; looking that often, in seconds, notices it soon enough.
_LOOK_AT_WALL_CLOCK = 1.0


class Scheduler:
    """The jobs, their queues, and the workers that they are handed to.

    Attributes:
        jobs: All jobs that have not ended.
        journal: What a store has to know of them.
        schedules: The jobs that repeat themselves.
        queues: The functions, in the order in which they were first named.
        stalls: The queues that stand still.
        wakeups: Who sleeps and who was woken.
        is_restoring: Whether jobs come back from a store; no schedule is run meanwhile, as its last run may be one.
    """

    __slots__ = (
        "_clock",
        "_delayed",
        "_expiry",
        "_filled",
        "_is_global",
        "_most_functions",
        "_most_memory",
        "_retries",
        "_rotates",
        "_timeouts",
        "is_restoring",
        "jobs",
        "journal",
        "queues",
        "schedules",
        "stalls",
        "wakeups",
    )

    def __init__(self, options: JobServerOptions, clock: Clock) -> None:
        self._clock = clock
        self._retries = options.job_retries
        self._is_global = options.priority_scope is PriorityScope.GLOBAL
        self._expiry = Expiry(options.function_expiry)
        self._rotates = self._is_global or options.round_robin
        self._most_functions = options.max_functions
        self._most_memory = options.max_memory
        self.jobs = JobTable(options.handle_prefix)
        self.journal = Journal(holds=options.durability is Durability.COMMIT)
        self.schedules = Schedules(options.timezone)
        self.is_restoring = False
        self.queues: dict[bytes, FunctionQueue] = {}
        self._filled: dict[FunctionQueue, None] = {}  # those in which jobs wait
        self.wakeups = Wakeups(clock, options.worker_wakeup, options.rearm_after)
        self.stalls = Stalls(options.stall_after, options.stall_busy_after)
        self._timeouts: Deadlines[Job] = Deadlines()  # in monotonic time
        self._delayed: Deadlines[Job] = Deadlines()  # in seconds since the epoch

    def change_limits(self, options: JobServerOptions) -> None:
        """Go by these limits from now on. What there is beyond them stays."""
        self._most_functions = options.max_functions
        self._most_memory = options.max_memory
        self._expiry.change(options.function_expiry)

    def queue(self, function: bytes) -> FunctionQueue:
        """Return the queue of a function, which exists from its first use.

        Raises:
            Refused: It would be new, and there are as many as there may be, or its name is too long.
        """
        if function not in self.queues:
            if len(function) > MAX_FUNCTION_NAME:
                text = f"The name of a function may have {MAX_FUNCTION_NAME} bytes"
                raise Refused(Limit.FUNCTIONS, text, "ARGUMENT_TOO_LARGE")
            if 0 < self._most_functions <= len(self.queues):
                text = f"The server has its {self._most_functions} functions, and takes no new one"
                raise Refused(Limit.FUNCTIONS, text)
        return self._known_queue(function)

    def _known_queue(self, function: bytes) -> FunctionQueue:
        """Return the queue of a function that was there before the server was."""
        queue = self.queues.get(function)
        if queue is None:
            queue = self.queues[function] = FunctionQueue(function, self._filled)
        return queue

    def check_memory(self, size: int) -> None:
        """See whether there is room for a job with a workload of so many bytes.

        Raises:
            Refused: There is not.
        """
        jobs = self.jobs
        waiting = len(jobs) + len(self.schedules)
        if jobs.held + self.schedules.held + size + (waiting + 1) * JOB_WEIGHT > self._most_memory:
            raise Refused(Limit.MEMORY, f"The jobs in the server take the {self._most_memory} bytes that they may")

    def submit(
        self, function: bytes, unique: bytes, workload: bytes, priority: int, reducer: bytes = b"", run_at: int = 0
    ) -> Job:
        """Return the job that a submission creates, or the one that it coalesces with (protocol 1.7).

        Raises:
            Refused: The job would be new, and its function, or the server, has reached a limit.
        """
        queue = self.queues.get(function)
        if queue is None:
            queue = self.queue(function)
        if unique:
            same = self.jobs.find_same(queue, unique, workload)
            if same is not None:
                return same
        if queue.limits[priority] and queue.is_full(priority):
            raise Refused(Limit.QUEUE, "Job queue is full")
        if self._most_memory:
            self.check_memory(len(workload))
        job = self.jobs.create(queue, unique, workload, priority, reducer)
        self._line_up(job, run_at)
        return job

    def restore(self, record: JobRecord) -> None:
        """Take back a job, or a schedule, that a store has kept."""
        if record.schedule:
            self._restore_schedule(record)
            return
        queue = self._known_queue(record.function)
        self._line_up(self.jobs.restore(queue, record), record.run_at)

    def _line_up(self, job: Job, run_at: int) -> None:
        """Let a job wait for its time, or for a worker."""
        if run_at and run_at > self._clock.time():
            job.deadline = self._delayed.push(run_at, job)
            return
        queue = job.queue
        queue.append(job)
        if queue.sleepers:
            self.wakeups.settle(queue)

    def revoke(self, jobs: Iterable[Recorded]) -> None:
        """Let go of background jobs that could not be stored; they only stay if somebody else wants them."""
        for job in jobs:
            if isinstance(job, Schedule):
                self.schedules.remove(job)
                continue
            assert isinstance(job, Job), "nothing else is stored"
            job.background = False
            if not job.is_wanted and job.state is not _RUNNING:
                self.end(job)

    def schedule(self, function: bytes, unique: bytes, cron: str, workload: bytes) -> Schedule:
        """Return the schedule that a submission makes, or the one that it changes: the same function and unique.

        Raises:
            Refused: The schedule would be new, and the server has reached a limit.
        """
        now = self._clock.time()
        same = self.schedules.find_same(function, unique)
        if same is not None:
            self.schedules.change(same, cron, workload, now)
            if same.is_durable:
                self.journal.change(same)
            return same
        self.queue(function)
        if self._most_memory:
            self.check_memory(len(workload))
        number, handle = self.jobs.name()
        schedule = Schedule(number, handle, function, unique, cron, workload)
        self.schedules.add(schedule, now)
        return schedule

    def cancel_schedule(self, schedule: Schedule) -> None:
        """Forget a schedule. What it has submitted goes on."""
        self.schedules.remove(schedule)
        if schedule.is_durable:
            self.journal.finish(schedule)

    def _restore_schedule(self, record: JobRecord) -> None:
        number, handle, function, unique, _, workload, due, *_ = record
        schedule = Schedule(number, handle, function, unique, record.schedule.decode(), workload)
        schedule.is_durable = True
        self._known_queue(function)
        self.schedules.add(schedule, self._clock.time(), due=due)

    def _run_schedules(self) -> float:
        """Submit what is due; return the seconds until the next."""
        now = self._clock.time()
        while not self.journal.refuses and (schedule := self.schedules.take_due(now)) is not None:
            try:
                job = self.submit(schedule.function, schedule.unique or schedule.handle, schedule.workload, _NORMAL)
            except Refused as error:
                log.warning("%r: a run is left out: %s", schedule, error)
            else:
                job.background = True
                if schedule.is_durable and not job.is_durable:
                    self.journal.add(job)
            if schedule.is_durable:
                self.journal.change(schedule)
        due = self.schedules.next_due()
        return _LOOK_AT_WALL_CLOCK if due is None or due <= now else min(due - now, _LOOK_AT_WALL_CLOCK)

    def grab(self, peer: Peer) -> Job | None:
        """Hand the next job to a worker that asks for one (protocol 1.10)."""
        came_for = None if peer.awake else self.wakeups.rouse(peer)
        peer.declined = 0
        ability = self._next_ability(peer)
        if ability is None:
            return None
        queue = ability.queue
        job = queue.take()
        job.state = _RUNNING
        job.worker = peer
        peer.running[job.handle] = job
        queue.running += 1
        if ability.timeout:
            job.deadline = self._timeouts.push(self._clock.monotonic() + ability.timeout, job)
        if self._rotates and len(peer.abilities) > 1:
            peer.move_last(ability)
        if came_for is not None and came_for is not queue:
            self.wakeups.settle(came_for)  # the job that it was woken for still waits
        return job

    def hand(self, peer: Peer) -> Job | None:
        """Grab for a worker that was woken while it was asking; without a job it goes on asking."""
        if not peer.is_asking:
            return None  # it has spoken meanwhile
        self.wakeups.withdraw(peer)
        job = self.grab(peer)
        if job is None:
            self.wakeups.keep_asking(peer)
        else:
            self.wakeups.hand(peer, job)
        return job

    def sleep(self, peer: Peer) -> None:
        """Let a worker sleep, or wake it at once when there is a job for it (protocol 1.11)."""
        came_for = self.wakeups.rouse(peer)
        ability = self._next_ability(peer)
        if ability is None:
            self.wakeups.fall_asleep(peer)
        elif came_for is None:
            self.wakeups.wake(peer, ability.queue)
        else:
            self.wakeups.decline(peer, ability.queue)
        if came_for is not None:
            self.wakeups.settle(came_for)

    def enable(self, peer: Peer, function: bytes, timeout: float) -> None:
        """Register a worker for a function; a later registration only changes the timeout (protocol 1.9, 7.4).

        Raises:
            Refused: The function would be new, and there are as many as there may be.
        """
        queue = self.queue(function)
        peer.enable(queue, timeout)
        self.wakeups.enable(peer, queue)

    def disable(self, peer: Peer, function: bytes) -> None:
        """Take back a registration. Jobs of the function that the worker runs go on."""
        ability = peer.abilities.get(function)
        if ability is not None:
            peer.disable(ability)
            self.wakeups.disable(peer, ability.queue)

    def disable_all(self, peer: Peer) -> None:
        """Take back all registrations of a worker."""
        for function in list(peer.abilities):
            self.disable(peer, function)

    def end(self, job: Job) -> None:
        """Forget a job, wherever it is. Nobody is told."""
        state = job.state
        job.state = _ENDED
        if state is _RUNNING:
            self._leave_worker(job)
        elif state is _WAITING:
            job.queue.discard(job)
        else:
            assert job.deadline is not None, "a delayed job waits for its time"
            self._delayed.cancel(job.deadline)
            job.deadline = None
        if job.waiters:
            job.forget_waiters()
        self.jobs.remove(job)
        if job.is_durable:
            self.journal.finish(job)
        if state is _WAITING:
            job.workload = b""  # its place in the queue may live on for a while

    def fail(self, job: Job) -> None:
        """Give a job up: tell those who wait for it, and forget it."""
        job.send_to_waiters(response(Command.WORK_FAIL, job.handle))
        self.end(job)

    def cancel(self, job: Job) -> None:
        """Give a job up on demand. A worker that runs it is not told; its results are ignored."""
        if job.worker is not None:
            job.worker.release(job.handle)
        self.fail(job)

    def turn_deaf(self, peer: Peer) -> bool:
        """Count on a worker for nothing while it is not listened to. Return whether it slept, and has to be woken."""
        slept = peer.asleep and not peer.is_asking
        came_for = self.wakeups.rouse(peer)
        if came_for is not None:
            self.wakeups.settle(came_for)
        return slept

    def listen_again(self, peer: Peer) -> None:
        """Wake a worker that slept when it was last listened to; there may be a job for it since."""
        if peer.awake:
            for ability in peer.abilities.values():
                self.wakeups.wake(peer, ability.queue)
                return

    def retire(self, peer: Peer) -> None:
        """Give a peer no further job, and let it wait for none but those that run."""
        self.disable_all(peer)
        for job in list(peer.awaited):
            if job.state is not _RUNNING:
                self._stop_waiting(peer, job)

    def disconnect(self, peer: Peer) -> None:
        """Forget a peer: its jobs go back to the queue, and those that only it waited for are dropped (1.12)."""
        self.wakeups.withdraw(peer)
        came_for = self.wakeups.rouse(peer)
        self.disable_all(peer)
        if came_for is not None:
            self.wakeups.settle(came_for)
        for job in list(peer.awaited):
            self._stop_waiting(peer, job)
        for job in reversed(list(peer.running.values())):  # each goes to the front: the oldest last
            self._give_back(job)

    def tick(self) -> float | None:
        """Do what is due. Return the seconds until there may be something again, or None for never."""
        now = self._clock.monotonic()
        while (job := self._timeouts.pop_due(now)) is not None:
            self._time_out(job)
        for peer, job in self.wakeups.expire(now):
            self._take_back(peer, job)
        stalls = self.stalls
        if stalls.due is not None and now >= stalls.due:
            stalls.look(self.queues.values(), self.wakeups.silent, now)
        expiry = self._expiry
        if expiry.due is not None and now >= expiry.due:
            expiry.look(self.queues, {schedule.function for schedule in self.schedules}, now)
        soonest: float | None = None
        if len(self._delayed):
            soonest = min(self._release_delayed(), _LOOK_AT_WALL_CLOCK)
        if len(self.schedules) and not self.is_restoring:
            until_next = self._run_schedules()
            soonest = until_next if soonest is None else min(soonest, until_next)
        next_look = stalls.due if len(self.jobs) else None
        next_expiry = expiry.due if self.queues else None
        for due in (self._timeouts.next_due(), self.wakeups.next_due(), next_look, next_expiry):
            if due is not None and (soonest is None or due - now < soonest):
                soonest = max(due - now, 0.0)
        return soonest

    def stalled(self) -> list[tuple[FunctionQueue, float, StallReason]]:
        """Return the queues that stand still, for how many seconds, and why."""
        return self.stalls.current(self._clock.monotonic())

    def _release_delayed(self) -> float:
        """Let the jobs whose time has come wait for a worker; return the seconds until the next."""
        wall = self._clock.time()
        while (job := self._delayed.pop_due(wall)) is not None:
            job.deadline = None
            job.queue.append(job)
            self.wakeups.settle(job.queue)
        due = self._delayed.next_due()
        return _LOOK_AT_WALL_CLOCK if due is None else due - wall

    def _time_out(self, job: Job) -> None:
        """Take a job from the worker that is too slow with it (protocol 1.13)."""
        job.deadline = None
        worker = job.worker
        assert worker is not None, "only a running job times out"
        worker.release(job.handle)
        log.warning("Worker timeout reached on job, requeueing: %s", _shown(job))
        self._give_back(job)

    def _take_back(self, peer: Peer, job: Job) -> None:
        """Let somebody else have a job that was handed to a worker which has not been heard of since."""
        if job.worker is not peer:
            return  # it was cancelled meanwhile, or took too long
        peer.release(job.handle)
        log.warning("Worker did not take the job that it was handed, requeueing: %s", _shown(job))
        self._requeue(job)
        self.wakeups.wake_all(job.queue)

    def _give_back(self, job: Job) -> None:
        """Let a job that lost its worker wait again, or give it up when that happened too often."""
        job.retries += 1
        if 0 <= self._retries <= job.retries:
            log.log(NOTICE, "Dropped job due to max retry count: %s", _shown(job))
            self.fail(job)
        else:
            self._requeue(job)

    def _requeue(self, job: Job) -> None:
        """Let a job that lost its worker wait again, if anybody still wants it."""
        if not job.is_wanted:
            self.end(job)
        else:
            self._leave_worker(job)
            if job.is_durable:
                self.journal.change(job)
            job.progress = NO_PROGRESS
            job.queue.append_first(job)
            self.wakeups.settle(job.queue)

    def _leave_worker(self, job: Job) -> None:
        worker = job.worker
        assert worker is not None, "a running job has a worker"
        del worker.running[job.handle]
        job.worker = None
        job.queue.running -= 1
        if job.deadline is not None:
            self._timeouts.cancel(job.deadline)
            job.deadline = None

    def _stop_waiting(self, peer: Peer, job: Job) -> None:
        """Take a client that left from a job, and drop the job if it was the last and the job does not run yet."""
        assert job.waiters is not None, "a job that is awaited has waiters"
        del job.waiters[peer]
        peer.awaited.discard(job)
        if not job.is_wanted and job.state is not _RUNNING:
            self.end(job)

    def _next_ability(self, peer: Peer) -> Ability | None:
        """Return the ability whose function is next to be served, if any of them has a job (protocol 1.10)."""
        best: Ability | None = None
        best_top = 0
        for ability in self._abilities_with_jobs(peer):
            top = ability.queue.top if self._is_global else 0
            if best is None or top < best_top or (top == best_top and ability.rank < best.rank):
                best = ability
                best_top = top
        return best

    def _abilities_with_jobs(self, peer: Peer) -> list[Ability]:
        """Look where there is less to look at: a worker may have hundreds of functions, and few of them jobs."""
        abilities = peer.abilities
        if len(self._filled) < len(abilities):
            return [abilities[queue.name] for queue in self._filled if queue.name in abilities]
        return [ability for ability in abilities.values() if ability.queue.runnable]


def _shown(job: Job) -> str:
    """Return the handle and the unique of a job as they can stand in the log."""
    return f"{job.handle.decode(errors='replace')} {printable(job.unique).decode(errors='replace')}"
