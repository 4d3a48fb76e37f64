# SPDX-License-Identifier: MIT
"""The runner of schedules, which submits their jobs when they are due."""

import logging
from typing import Final

from mypy_extensions import i64

from geartrain.core.clock import TurnClock
from geartrain.core.commit_queue import CommitQueue
from geartrain.core.cron import Schedule, Schedules
from geartrain.core.dispatch import Dispatcher
from geartrain.core.functions import FunctionTable
from geartrain.core.jobdeadlines import LOOK_AT_WALL_CLOCK
from geartrain.core.jobtable import JobTable
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import JOB_WEIGHT, Refused
from geartrain.core.numbers import Numbers
from geartrain.core.record import JobRecord
from geartrain.core.state import Job
from geartrain.core.timers import NEVER, Timed, Timers
from geartrain.core.zones import has_zone

__all__ = ["ScheduleRunner"]

log = logging.getLogger("geartrain.jobs")

_PORTION: Final = 200  # schedules that are due at once and run in one turn


class ScheduleRunner(Timed):
    """Adds, changes, cancels and runs schedules.

    Args:
        clock: The time.
        timers: Calls this part when the next schedule is due.
        numbers: The numbers for new schedules.
        functions: All functions.
        jobs: Makes handles.
        schedules: All schedules.
        lifecycle: Creates their jobs.
        dispatcher: Wakes workers for them.
        commit_queue: The way to the store.
        stores: True if jobs are stored before the server stops. Otherwise a job must not be stored whose number is not
            reserved: after a crash, the next run of the server would use the number again.
    """

    __slots__ = (
        "_clock",
        "_commit_queue",
        "_dispatcher",
        "_functions",
        "_is_paused",
        "_jobs",
        "_lifecycle",
        "_numbers",
        "_stores",
        "_timers",
        "schedules",
    )

    def __init__(
        self,
        clock: TurnClock,
        timers: Timers,
        numbers: Numbers,
        functions: FunctionTable,
        jobs: JobTable,
        schedules: Schedules,
        lifecycle: Lifecycle,
        dispatcher: Dispatcher,
        commit_queue: CommitQueue,
        *,
        stores: bool,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._timers = timers
        self._numbers = numbers
        self._functions = functions
        self._jobs = jobs
        self.schedules = schedules
        self._lifecycle = lifecycle
        self._dispatcher = dispatcher
        self._commit_queue = commit_queue
        self._stores = stores
        self._is_paused = False
        timers.add(self)

    def submit(
        self, function: bytes, unique: bytes, cron: str, timezone: str, priority: i64, workload: bytes
    ) -> Schedule:
        """Create a schedule, or change the one with the same function and unique, and return it.

        Args:
            function: The function of its jobs.
            unique: The unique, or empty.
            cron: The cron line.
            timezone: The name of its time zone, which is known; empty for that of the server.
            priority: That of its jobs.
            workload: That of its jobs.

        Raises:
            Refused: The schedule would be new, and a limit of the server is reached.
        """
        now = self._clock.wall()
        schedules = self.schedules
        same = schedules.find_same(function, unique)
        if same is not None:
            schedules.change(same, cron, timezone, priority, workload, now)
            if same.is_durable:
                self._commit_queue.change(same)
            self._changed()
            return same
        queue = self._functions.named(function)
        self._lifecycle.check_memory(len(workload))
        number = self._numbers.take()
        handle = self._jobs.handle_of(number)
        schedule = Schedule(number, handle, queue.name, unique, cron, timezone, priority, workload)
        schedules.add(schedule, now)
        self._changed()
        return schedule

    def restore(self, record: JobRecord) -> None:
        """Restore a schedule from its record."""
        self._functions.restored(record.function)
        schedule = Schedule.restored(record)
        if not has_zone(schedule.timezone):
            log.error("%r: this machine has no such time zone; it runs in that of the server", schedule)
        self.schedules.add(schedule, self._clock.wall(), due=record.run_at // 1000)
        self._changed()

    def cancel(self, schedule: Schedule) -> None:
        """Remove a schedule. The jobs that it has submitted go on."""
        self.schedules.remove(schedule)
        if schedule.is_durable:
            self._commit_queue.forget(schedule)
        self._changed()

    def revoke(self, schedule: Schedule) -> None:
        """Remove a schedule that could not be stored."""
        self.schedules.remove(schedule)
        self._changed()

    def revoke_run(self, job: Job) -> None:
        """Let a schedule run again later, if its last job is one that could not be stored."""
        schedule = self.schedules.find_run(job.queue.name, job.unique, job.number)
        if schedule is not None:
            self.schedules.run_again(schedule, self._clock.wall())
            self._commit_queue.change(schedule)
            self._changed()

    def pause(self) -> None:
        """Run no schedules while jobs are restored, as jobs of their earlier runs may be among them."""
        self._is_paused = True

    def resume(self) -> None:
        """Run schedules again."""
        self._is_paused = False
        self._timers.arm(self, self._clock.now)

    def run(self, now: float) -> None:
        """Submit the jobs of schedules that are due, in portions."""
        if self._is_paused or not len(self.schedules):
            return
        wall = self._clock.wall()
        for _ in range(_PORTION):
            schedule = self.schedules.take_due(wall) if self._commit_queue.is_accepting else None
            if schedule is None:
                break
            self._run(schedule)
        self._arm()

    def _run(self, schedule: Schedule) -> None:
        unique = schedule.unique or schedule.handle
        try:
            queue = self._functions.named(schedule.function)
            job = self._lifecycle.find_same(queue, unique, schedule.workload)
            if job is None:
                self._lifecycle.check_limits(queue, schedule.priority, len(schedule.workload))
                job = self._lifecycle.create(queue, unique, schedule.workload, schedule.priority, b"", 0.0)
                if self._lifecycle.job_log.has_steps:
                    self._lifecycle.job_log.scheduled(job, schedule.handle)
        except Refused as error:
            log.warning("%r: skipped a run: %s", schedule, error)
        else:
            job.background = True
            if self._stores and schedule.is_durable and not job.is_durable:
                self._commit_queue.add(job)
                schedule.last_run = job.number
            self._dispatcher.wake_enough(queue)
        if schedule.is_durable:
            self._commit_queue.change(schedule)

    def _changed(self) -> None:
        schedules = self.schedules
        self._lifecycle.other_memory = schedules.held + len(schedules) * JOB_WEIGHT
        if not self._is_paused:
            self._arm()

    def _arm(self) -> None:
        due = self.schedules.next_due()
        if due is None:
            self.due = NEVER
            return
        wait = due - self._clock.wall()
        if wait <= 0.0 and not self._commit_queue.is_accepting:
            wait = LOOK_AT_WALL_CLOCK
        self._timers.arm(self, self._clock.now + min(max(wait, 0.0), LOOK_AT_WALL_CLOCK))
