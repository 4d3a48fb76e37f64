# SPDX-License-Identifier: MIT
"""Submissions of jobs and schedules (protocol 1.6 to 1.8)."""

from typing import Final

from mypy_extensions import i64

from geartrain.core.clock import TurnClock
from geartrain.core.commands.handler import Handlers, leading_number
from geartrain.core.commit_queue import CommitQueue
from geartrain.core.cron import CronLines
from geartrain.core.dispatch import Dispatcher
from geartrain.core.functions import FunctionTable
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import MAX_WAITS, Limit, Refused
from geartrain.core.options import Durability, JobServerOptions
from geartrain.core.replies import Replies
from geartrain.core.schedulerunner import ScheduleRunner
from geartrain.core.state import Job, Peer
from geartrain.core.waiters import add_waiter, count_waits
from geartrain.core.zones import has_zone
from geartrain.errors import RemoteProtocolError
from geartrain.jobtimes import read_schedule_options
from geartrain.protocol.commands import Command
from geartrain.protocol.limits import INT64_MAX, MAX_UNIQUE
from geartrain.protocol.reader import Reader
from geartrain.records import Priority

__all__ = ["SubmitCommands"]

_HIGH: Final = int(Priority.HIGH)
_NORMAL: Final = int(Priority.NORMAL)
_LOW: Final = int(Priority.LOW)
_JOB_CREATED: Final = int(Command.JOB_CREATED)
_EMPTY: Final = b""
# Units that a schedule costs, see `Peer.debt`: for its next time, and for a cron line that has to be checked before.
_SCHEDULE: Final = 20
_NEW_CRON_LINE: Final = 1000


class SubmitCommands:
    """Handlers of packets that submit jobs and schedules.

    Args:
        options: The limits, and the durability.
        clock: The time.
        functions: All functions.
        lifecycle: Creates jobs.
        dispatcher: Wakes workers for them.
        schedules: Keeps schedules.
        commit_queue: The way to the store.
        replies: Sends errors.
    """

    __slots__ = (
        "_clock",
        "_commit_queue",
        "_cron_lines",
        "_dispatcher",
        "_functions",
        "_job_log",
        "_lifecycle",
        "_max_awaited",
        "_replies",
        "_schedules",
        "_stores",
    )

    def __init__(
        self,
        options: JobServerOptions,
        clock: TurnClock,
        functions: FunctionTable,
        lifecycle: Lifecycle,
        dispatcher: Dispatcher,
        schedules: ScheduleRunner,
        commit_queue: CommitQueue,
        replies: Replies,
    ) -> None:
        self._clock = clock
        self._functions = functions
        self._lifecycle = lifecycle
        self._job_log = lifecycle.job_log
        self._dispatcher = dispatcher
        self._schedules = schedules
        self._commit_queue = commit_queue
        self._replies = replies
        self._stores = options.durability in (Durability.COMMIT, Durability.RELAXED)
        self._cron_lines = CronLines()
        self._max_awaited: i64 = 0
        self.change_options(options)

    def change_options(self, options: JobServerOptions) -> None:
        """Apply other limits from now on."""
        self._max_awaited = options.max_jobs_per_connection

    def handlers(self) -> Handlers:
        """Return the handler of each packet."""
        return {
            Command.SUBMIT_JOB_HIGH: self._submit_high,
            Command.SUBMIT_JOB_HIGH_BG: self._submit_high_background,
            Command.SUBMIT_JOB_LOW: self._submit_low,
            Command.SUBMIT_JOB_LOW_BG: self._submit_low_background,
            Command.SUBMIT_JOB_EPOCH: self._submit_epoch,
            Command.SUBMIT_JOB_SCHED: self._submit_schedule,
            Command.SUBMIT_REDUCE_JOB: self._submit_reduce,
            Command.SUBMIT_REDUCE_JOB_BACKGROUND: self._submit_reduce_background,
        }

    def _submit_high(self, peer: Peer, reader: Reader) -> None:
        self.accept(peer, reader.first(), reader.second(), reader.third(), _HIGH, False, _EMPTY, 0.0)

    def _submit_high_background(self, peer: Peer, reader: Reader) -> None:
        self.accept(peer, reader.first(), reader.second(), reader.third(), _HIGH, True, _EMPTY, 0.0)

    def _submit_low(self, peer: Peer, reader: Reader) -> None:
        self.accept(peer, reader.first(), reader.second(), reader.third(), _LOW, False, _EMPTY, 0.0)

    def _submit_low_background(self, peer: Peer, reader: Reader) -> None:
        self.accept(peer, reader.first(), reader.second(), reader.third(), _LOW, True, _EMPTY, 0.0)

    def _submit_epoch(self, peer: Peer, reader: Reader) -> None:
        run_at = leading_number(reader.argument(2))
        if run_at > INT64_MAX:
            self._replies.end(peer, RemoteProtocolError("SUBMIT_JOB_EPOCH: the time is beyond 64 bits"))
        else:
            function, unique, workload = reader.argument(0), reader.argument(1), reader.argument(3)
            when, priority = float(max(run_at, 0)), _NORMAL
            exact = peer.next_time
            if exact is not None:
                peer.next_time = None
                when = exact.milliseconds / 1000 + (self._clock.wall() if exact.is_delay else 0.0)
                priority = int(exact.priority)
            self.accept(peer, function, unique, workload, priority, True, _EMPTY, when)

    def _submit_reduce(self, peer: Peer, reader: Reader) -> None:
        function, unique, reducer, _, workload = reader.arguments()
        self.accept(peer, function, unique, workload, _NORMAL, False, reducer, 0.0)

    def _submit_reduce_background(self, peer: Peer, reader: Reader) -> None:
        function, unique, reducer, _, workload = reader.arguments()
        self.accept(peer, function, unique, workload, _NORMAL, True, reducer, 0.0)

    def accept(
        self,
        peer: Peer,
        function: bytes,
        unique: bytes,
        workload: bytes,
        priority: i64,
        background: bool,
        reducer: bytes,
        run_at: float,
    ) -> None:
        """Create a job or join an equal one, answer the client, and wake workers for a new job.

        Args:
            peer: The client.
            function: The function.
            unique: The unique, or empty.
            workload: The workload.
            priority: As `geartrain.Priority` has it.
            background: True if the client does not wait for the job.
            reducer: The function that combines the results of its parts, or empty.
            run_at: Seconds since the epoch before which it is not started, or 0.
        """
        if len(unique) > MAX_UNIQUE or len(reducer) > MAX_UNIQUE:
            self._replies.error(peer, "ARGUMENT_TOO_LARGE", "Unique value too large")
            return
        try:
            if self._max_awaited and not background:
                self._check_awaited(peer)
            queue = self._functions.named(function)
            job = self._lifecycle.find_same(queue, unique, workload) if len(unique) else None
            is_new = job is None
            if job is None:
                self._lifecycle.check_limits(queue, priority, len(workload))
                if background and self._stores and not self._commit_queue.is_accepting:
                    self._refuse_store(peer)
                    return
                job = self._lifecycle.create(queue, unique, workload, priority, reducer, run_at)
            elif not background and job.is_awaited:
                _check_waits(job, peer)
        except Refused as refusal:
            self._replies.refuse(peer, refusal)
            return
        if not background:
            add_waiter(job, peer)
            peer.send(_JOB_CREATED, job.handle)
        elif not self._stores:
            job.background = True
            peer.send(_JOB_CREATED, job.handle)
        elif not self._store(peer, job):
            return
        if self._job_log.has_notices:
            self._job_log.submitted(job, peer, run_at, is_new)
        if is_new:
            self._dispatcher.wake_enough(queue)

    def _store(self, peer: Peer, job: Job) -> bool:
        """Store a background job, and answer its submitter afterwards; return False if it is refused."""
        if not job.is_durable:
            if not self._commit_queue.is_accepting:
                self._refuse_store(peer)
                return False
            job.background = True
            self._commit_queue.add(job)
        self._commit_queue.promise(peer, job, _JOB_CREATED, job.handle)
        return True

    def _submit_schedule(self, peer: Peer, reader: Reader) -> None:
        function, unique, minute, hour, day, month, weekday, workload = reader.arguments()
        if len(unique) > MAX_UNIQUE:
            self._replies.error(peer, "ARGUMENT_TOO_LARGE", "Unique value too large")
            return
        try:
            fields, extra = read_schedule_options((minute, hour, day, month, weekday))
            _check_zone(extra.timezone)
        except ValueError as error:
            peer.debt += _NEW_CRON_LINE
            self._replies.error(peer, "INVALID_ARGUMENT", f"Invalid options of a repeating job: {error}")
            return
        peer.debt += _SCHEDULE if self._cron_lines.known(fields) else _NEW_CRON_LINE
        try:
            line = self._cron_lines.line(fields)
        except RemoteProtocolError as error:
            self._replies.error(peer, error.code, error.text)
            return
        if self._stores and not self._commit_queue.is_accepting:
            self._refuse_store(peer)
            return
        try:
            schedule = self._schedules.submit(function, unique, line, extra.timezone, extra.priority, workload)
        except Refused as refusal:
            self._replies.refuse(peer, refusal)
            return
        if not self._stores:
            peer.send(_JOB_CREATED, schedule.handle)
            return
        if not schedule.is_durable:
            self._commit_queue.add(schedule)
        self._commit_queue.promise(peer, schedule, _JOB_CREATED, schedule.handle)

    def _check_awaited(self, peer: Peer) -> None:
        """Check the limit of jobs for which a connection waits; raise `Refused`."""
        if len(peer.awaited) >= self._max_awaited:
            raise Refused(Limit.JOBS, f"Too many jobs for this connection (limit {self._max_awaited})")

    def _refuse_store(self, peer: Peer) -> None:
        self._replies.error(peer, "QUEUE_ERROR", "The store does not take jobs at present")


def _check_waits(job: Job, peer: Peer) -> None:
    """Check the limit of submissions of a connection that wait for one job; raise `Refused`."""
    if count_waits(job, peer) >= MAX_WAITS:
        raise Refused(Limit.JOBS, f"Too many submissions of this job by this connection (limit {MAX_WAITS})")


def _check_zone(timezone: str) -> None:
    """Check that there is a time zone; raise `ValueError`."""
    if not has_zone(timezone):
        raise ValueError(f"the machine of the server has no time zone {timezone!r}")
