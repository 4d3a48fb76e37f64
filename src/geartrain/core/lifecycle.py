# SPDX-License-Identifier: MIT
"""The life cycle of a job: the only module that changes its state.

Every job ends by `Lifecycle.finish`, for any reason. It changes, in this order, the state, the statistics and the
store, and then answers the waiting clients. Choosing and waking workers is the part of `geartrain.core.dispatch`.
"""

from typing import Final

from mypy_extensions import i32, i64

from geartrain.core.clock import TurnClock
from geartrain.core.commit_queue import CommitQueue
from geartrain.core.fanout import FanOut
from geartrain.core.jobdeadlines import JobDeadlines
from geartrain.core.joblog import JobLog, note_last_attempt
from geartrain.core.jobtable import JobTable
from geartrain.core.limits import JOB_WEIGHT, Limit, Refused
from geartrain.core.longruns import LongRuns
from geartrain.core.outcome import Event, JobState, next_state
from geartrain.core.ready import Ready
from geartrain.core.record import JobRecord
from geartrain.core.running import add_running, first_job_for, remove_running
from geartrain.core.state import MAX_LOSSES, NO_PROGRESS, Ability, FunctionQueue, Job, Peer
from geartrain.core.timers import Timers
from geartrain.core.waiters import remove_waiter
from geartrain.protocol.commands import Command
from geartrain.protocol.text import printable

__all__ = ["Lifecycle"]

_DELAYED: Final = int(JobState.DELAYED)
_WAITING: Final = int(JobState.WAITING)
_RUNNING: Final = int(JobState.RUNNING)
_DELAY: Final = int(Event.DELAY)
_ENQUEUE: Final = int(Event.ENQUEUE)
_START: Final = int(Event.START)
_REQUEUE: Final = int(Event.REQUEUE)
_COMPLETED: Final = int(Event.COMPLETED)
_EXCEPTION: Final = int(Event.EXCEPTION)
_TIMED_OUT: Final = int(Event.TIMED_OUT)
_CANCELLED: Final = int(Event.CANCELLED)
_ABANDONED: Final = int(Event.ABANDONED)
_REVOKED: Final = int(Event.REVOKED)
_WORK_COMPLETE: Final = int(Command.WORK_COMPLETE)
_WORK_FAIL: Final = int(Command.WORK_FAIL)
_WORK_EXCEPTION: Final = int(Command.WORK_EXCEPTION)
_EMPTY: Final = b""

_SHOWN: Final = 100  # bytes of a function's name in the log


class Lifecycle:
    """Creates, starts, requeues and ends jobs.

    Args:
        clock: The time.
        timers: Calls the handlers of timeouts and delays.
        jobs: All jobs.
        commit_queue: The way to the store.
        ready: Gets the queues that have jobs again.
        long_runs: Gets the stored jobs that run.
        fan_out: Sends packets about jobs to several clients.
        job_log: Logs the steps of jobs.
        max_memory: The maximum memory of all jobs in bytes; 0 for no limit.

    Attributes:
        timeouts: The running jobs, by the time at which they exceed their timeout.
        delays: The delayed jobs, by the time at which they may run.
        running: Number of running jobs.
        other_memory: Bytes of schedules, which count into the memory limit too.
        held_memory: Bytes of functions, unfinished packets and unsent replies, likewise.
        job_log: Logs the steps of jobs.
    """

    __slots__ = (
        "_clock",
        "_commit_queue",
        "_fan_out",
        "_jobs",
        "_long_runs",
        "_max_memory",
        "_ready",
        "delays",
        "held_memory",
        "job_log",
        "other_memory",
        "running",
        "timeouts",
    )

    def __init__(
        self,
        clock: TurnClock,
        timers: Timers,
        jobs: JobTable,
        commit_queue: CommitQueue,
        ready: Ready,
        long_runs: LongRuns,
        fan_out: FanOut,
        job_log: JobLog,
        max_memory: int,
    ) -> None:
        self._clock = clock
        self._jobs = jobs
        self._commit_queue = commit_queue
        self._ready = ready
        self._long_runs = long_runs
        self._fan_out = fan_out
        self.job_log = job_log
        self._max_memory: i64 = max_memory
        self.running: i64 = 0
        self.other_memory: i64 = 0
        self.held_memory: i64 = 0
        self.timeouts = JobDeadlines(clock, timers, is_wall=False)
        self.delays = JobDeadlines(clock, timers, is_wall=True)

    def change_limit(self, max_memory: int) -> None:
        """Change the memory limit. Jobs beyond it stay."""
        self._max_memory = max_memory

    # Beginning.

    def find_same(self, queue: FunctionQueue, unique: bytes, workload: bytes) -> Job | None:
        """Return the job that a submission coalesces with (protocol 1.7)."""
        job = self._jobs.find_same(queue, unique, workload)
        if job is not None:
            queue.stats.coalesced += 1
        return job

    def waiting(self, handle: bytes) -> Job | None:
        """Return the job with that handle if it waits for a worker."""
        job = self._jobs.get(handle)
        return job if job is not None and job.state == _WAITING else None

    def check_limits(self, queue: FunctionQueue, priority: i64, size: i64) -> None:
        """Check the limits for a new job with a workload of ``size`` bytes.

        Raises:
            Refused: The limit of the function, or of the server, is reached.
        """
        if queue.limits is not None and queue.is_full(priority):
            text, name = "Job queue is full", printable(queue.name[:_SHOWN]).decode(errors="replace")
            raise Refused(Limit.QUEUE, text, log_text=f"{text}: function {name}")
        if self._max_memory:
            self.check_memory(size)

    def check_memory(self, size: i64) -> None:
        """Check the memory limit for a workload of ``size`` bytes.

        Raises:
            Refused: The limit is reached.
        """
        if self._max_memory and self.memory() + self.held_memory + size + JOB_WEIGHT > self._max_memory:
            raise Refused(Limit.MEMORY, f"Too much memory for jobs (limit {self._max_memory} bytes)")

    def memory(self) -> i64:
        """Return the bytes that jobs and schedules take, as the memory limit counts them."""
        jobs: i64 = len(self._jobs)
        return self._jobs.held + self.other_memory + jobs * JOB_WEIGHT

    def create(
        self, queue: FunctionQueue, unique: bytes, workload: bytes, priority: i64, reducer: bytes, run_at: float
    ) -> Job:
        """Return a new job, which waits for a worker, or first until ``run_at`` seconds since the epoch."""
        job = self._jobs.create(queue, unique, workload, priority, reducer)
        job.created_at = self._clock.wall_ms()
        queue.stats.submitted += 1
        if run_at:
            self._wait(job, run_at)
        else:
            self._enqueue(job, _ENQUEUE, first=False)
        return job

    def restore(self, queue: FunctionQueue, record: JobRecord) -> Job:
        """Return a job that is restored from its record."""
        job = self._jobs.restore(queue, record)
        self._wait(job, record.run_at / 1000)
        return job

    def _wait(self, job: Job, run_at: float) -> None:
        if run_at > 0.0 and run_at > self._clock.wall():
            job.state = next_state(job.state, _DELAY)
            self.delays.add(run_at, job)
        else:
            self._enqueue(job, _ENQUEUE, first=False)

    def end_delay(self, job: Job) -> None:
        """Enqueue a job whose delay has ended."""
        self._enqueue(job, _ENQUEUE, first=False)

    def _enqueue(self, job: Job, event: i64, *, first: bool) -> None:
        job.state = next_state(job.state, event)
        job.since = self._clock.now
        queue = job.queue
        if queue.enqueue(job, first=first):
            self._ready.add_jobs(queue, i64(job.priority))

    # Running.

    def start(self, peer: Peer, ability: Ability) -> Job:
        """Assign the next job of a function to a worker."""
        queue = ability.queue
        job = queue.first_job()
        if not peer.taken_away.is_empty:
            allowed = first_job_for(queue, peer)
            assert allowed is not None, "the ability was chosen for it"
            job = allowed
        queue.remove(job)
        job.state = next_state(job.state, _START)
        now = self._clock.now
        waited = now - job.since
        queue.stats.start(waited)
        if self.job_log.has_steps:
            self.job_log.started(job, peer, waited)
        job.since = now
        job.worker = peer
        add_running(peer, job)
        queue.running += 1
        self.running += 1
        if ability.timeout:
            self.timeouts.add(now + ability.timeout, job)
        if job.is_durable:
            self._long_runs.watch(now)
        return job

    def lose(self, job: Job, event: i64) -> bool:
        """Requeue or end a job after a lost worker or a timeout; return True if it waits again (1.12, 1.13).

        Args:
            job: A running job.
            event: ``Event.WORKER_LOST`` or ``Event.TIMED_OUT``.
        """
        if self.job_log.has_steps:
            self.job_log.taken(job, event, self._clock.now - job.since)
        if job.losses < MAX_LOSSES:
            job.losses += 1
        stats = job.queue.stats
        if event == _TIMED_OUT:
            stats.timed_out += 1
        else:
            stats.lost += 1
        allowed = job.queue.policy.lost_retries
        if 0 <= allowed < job.losses:
            note_last_attempt(job)
            self.finish(job, event, _EMPTY)
            return False
        return self.requeue(job)

    def requeue(self, job: Job) -> bool:
        """Put a running job back at the front of its queue, or end it; return True if it waits again."""
        if not job.has_owner:
            self.finish(job, _ABANDONED, _EMPTY)
            return False
        self._unassign(job)
        if job.details is not None:
            job.details.progress = NO_PROGRESS
        self._enqueue(job, _REQUEUE, first=True)
        if job.is_durable:
            self._commit_queue.change(job)
        return True

    def _unassign(self, job: Job) -> None:
        worker = job.worker
        assert worker is not None, "a running job has a worker"
        remove_running(worker, job)
        job.worker = None
        job.queue.running -= 1
        self.running -= 1
        self.timeouts.cancel(job)

    # Ending.

    def finish(self, job: Job, outcome: i64, payload: bytes) -> None:
        """End a job.

        Args:
            job: A job that has not ended.
            outcome: An `Outcome`.
            payload: The arguments of the worker's packet, for a result or an exception.
        """
        if self.job_log.has_steps:
            self.job_log.ended(job, outcome, self._clock.now - job.since)
        state = job.state
        job.state = next_state(state, outcome)
        queue = job.queue
        worker = job.worker
        if state == _RUNNING:
            self._unassign(job)
            queue.stats.end_run(self._clock.now - job.since)
        elif state == _WAITING:
            queue.remove(job)
        else:
            self.delays.cancel(job)
        queue.stats.end(outcome)
        if job.is_durable:
            self._commit_queue.forget(job)
        if job.is_awaited:
            self._tell(job, worker, outcome, payload)
        self._jobs.remove(job)

    def finish_late(self, handle: bytes, payload: bytes) -> None:
        """End a job, if it has not ended, with the result of a worker from which it was taken.

        Without this, a worker that takes three seconds for jobs with a timeout of one would run each of them for ever.
        """
        job = self._jobs.get(handle)
        if job is None:
            return
        if self.job_log.has_steps:
            self.job_log.completed_late(job)
        if job.worker is not None:
            job.worker.taken_away.add(handle)
        self.finish(job, _COMPLETED, payload)

    def cancel(self, job: Job) -> None:
        """Cancel a job. The protocol cannot stop a worker that runs it; its results are ignored."""
        if job.worker is not None:
            job.worker.taken_away.add(job.handle)
        self.finish(job, _CANCELLED, _EMPTY)

    def revoke(self, job: Job) -> None:
        """Drop a background job that could not be stored, unless a client waits for it."""
        job.background = False
        if not job.has_owner and job.state != _RUNNING:
            self.finish(job, _REVOKED, _EMPTY)

    def leave(self, job: Job, peer: Peer) -> None:
        """Remove a waiting client from a job, which ends if it has no owner and does not run."""
        remove_waiter(job, peer)
        if not (job.has_owner or job.has_ended) and job.state != _RUNNING:
            self.finish(job, _ABANDONED, _EMPTY)

    def forward(self, job: Job, command: i32, body: bytes) -> None:
        """Send a packet to each waiting client, once for each of its submissions."""
        waiter = job.waiter
        if waiter is not None:
            waiter.send(command, body)
        else:
            self._multiply(job, job.worker, command, body, is_last=False)

    def _multiply(self, job: Job, worker: Peer | None, command: i32, body: bytes, *, is_last: bool) -> None:
        """Send a packet to all submissions, and charge its worker for each."""
        if command == _WORK_EXCEPTION and (worker is None or not worker.exception_details):
            body = job.handle + b"\0" + body[len(job.handle) :]  # with empty details
        units = self._fan_out.send(job, command, body, is_last=is_last)
        if worker is not None:
            worker.debt += units

    def _tell(self, job: Job, worker: Peer | None, outcome: i64, payload: bytes) -> None:
        """Send the outcome of a job to its waiting clients, which wait for it no longer."""
        command, body = _WORK_FAIL, job.handle
        if outcome == _COMPLETED:
            command, body = _WORK_COMPLETE, payload
        elif outcome == _EXCEPTION:
            command, body = _WORK_EXCEPTION, payload
        waiter = job.waiter
        if waiter is not None and command != _WORK_EXCEPTION:
            waiter.send(command, body)
            job.waiter = None
            waiter.awaited.discard(job)
        else:
            self._multiply(job, worker, command, body, is_last=True)
