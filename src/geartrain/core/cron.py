# SPDX-License-Identifier: MIT
"""Schedules of jobs: cron lines, and when each is due next (protocol 1, SUBMIT_JOB_SCHED).

A schedule is not a job. Each time that it is due it submits a background job and waits for its next time. If the job of
the last time still waits or runs, no second one is made. Runs that were missed, because the server was down or its
clock was set forward, become one run. If the clock is set back, all times are computed again.

A cron line whose hour is ``*`` runs in each hour that passes. Any other line names times of the day, and daylight
saving time does not multiply or drop them: a time that a day does not have runs once after the gap, and one that it has
twice runs the first time.
"""

import logging
import re
from collections.abc import Iterator
from datetime import date, datetime, tzinfo

from mypy_extensions import i64, mypyc_attr

from geartrain.core.deadlines import Deadline, Deadlines
from geartrain.core.durable import Durable
from geartrain.core.record import JobRecord
from geartrain.core.zones import find_zone
from geartrain.cron import FROM_MONDAY, FROM_SUNDAY, CronFields, check_times, expand_days
from geartrain.errors import RemoteProtocolError
from geartrain.protocol.limits import INT64_MAX
from geartrain.wording import counted

__all__ = ["CronLines", "Schedule", "Schedules", "cron_line", "next_time"]

log = logging.getLogger("geartrain.jobs")

_MOST_KNOWN = 1024  # cron lines that are remembered
_MAX_FIELD = 200  # bytes; all sixty minutes one by one take less
_MAY_STAND = re.compile(rb"[0-9A-Za-z*,/#-]+")

_PORTION = 200  # schedules whose times are computed again in one turn

# Seconds that a clock may go back before the server takes it as set back.
_SET_BACK = 1.0


@mypyc_attr(acyclic=True)  # see `Job`
class Schedule(Durable):
    """A cron line that submits jobs.

    Attributes:
        handle: Its name on the wire, made like the handle of a job.
        cron: The five fields of the cron line.
        timezone: The name of the time zone of the cron line; empty for that of the server.
        priority: That of its jobs, as `geartrain.Priority` has it.
        due: When it runs next, in seconds since the epoch.
        last_run: The number of the job that it submitted last; 0 for none.
    """

    __slots__ = (
        "_known",
        "cron",
        "deadline",
        "due",
        "function",
        "handle",
        "is_cancelled",
        "last_run",
        "priority",
        "timezone",
        "unique",
    )

    def __init__(
        self,
        number: i64,
        handle: bytes,
        function: bytes,
        unique: bytes,
        cron: str,
        timezone: str,
        priority: i64,
        workload: bytes,
    ) -> None:
        super().__init__(number, workload)
        self.handle = handle
        self.function = function
        self.unique = unique
        self.cron = cron
        self.timezone = timezone
        self.priority = priority
        self.due = 0
        self.last_run: i64 = 0
        self.deadline: Deadline[Schedule] | None = None
        self.is_cancelled = False
        self._known: JobRecord | None = None  # the record that it was restored from

    @classmethod
    def restored(cls, record: JobRecord) -> "Schedule":
        """Return the schedule that a record describes."""
        schedule = cls(
            record.number,
            record.handle,
            record.function,
            record.unique,
            record.schedule.decode(),
            record.timezone.decode(errors="replace"),
            record.priority,
            record.workload,
        )
        schedule.is_durable = True
        schedule._known = record
        return schedule

    @property
    def has_ended(self) -> bool:
        """True if it was cancelled."""
        return self.is_cancelled

    def __repr__(self) -> str:
        zone = f" {self.timezone}" if self.timezone else ""
        return f"<Schedule {self.handle.decode(errors='replace')} {self.cron}{zone}>"

    def record(self) -> JobRecord:
        """Return its record for a store."""
        run_at = min(self.due * 1000, INT64_MAX)
        cron, timezone, priority = self.cron.encode(), self.timezone.encode(), int(self.priority)
        if self._known is not None:  # it may have fields that this version does not use
            return self._known.replace(
                priority=priority, run_at=run_at, schedule=cron, timezone=timezone, workload=self.workload
            )
        return JobRecord(
            self.number,
            self.handle,
            self.function,
            self.unique,
            priority,
            self.workload,
            run_at=run_at,
            schedule=cron,
            timezone=timezone,
        )


class Schedules:
    """All schedules of a server.

    Args:
        zone: The time zone of cron lines that name none.

    Attributes:
        held: The bytes of all their workloads.
        functions: The functions that have schedules, each with their number.
        zone: The time zone of cron lines that name none.
    """

    __slots__ = (
        "_by_handle",
        "_by_unique",
        "_due",
        "_last_look",
        "_minute",
        "_next_times",
        "_to_compute",
        "functions",
        "held",
        "zone",
    )

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._by_handle: dict[bytes, Schedule] = {}
        self._by_unique: dict[tuple[bytes, bytes], Schedule] = {}
        self._due: Deadlines[Schedule] = Deadlines()
        self._last_look = 0.0
        self._minute = -1
        self._next_times: dict[tuple[str, str], int] = {}  # by cron line and time zone, as seen from that minute
        self._to_compute: list[Schedule] = []  # those whose times are computed again after the clock was set back
        self.held = 0
        self.functions: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._by_handle)

    def __iter__(self) -> Iterator[Schedule]:
        return iter(self._by_handle.values())

    def get(self, handle: bytes) -> Schedule | None:
        """Return the schedule with that handle."""
        return self._by_handle.get(handle)

    def find_same(self, function: bytes, unique: bytes) -> Schedule | None:
        """Return the schedule of a function and unique, which a new one replaces; None without a unique."""
        return self._by_unique.get((function, unique)) if unique else None

    def add(self, schedule: Schedule, now: float, *, due: int = 0) -> None:
        """Add a schedule, due at its next time, or at ``due`` for one that was restored."""
        self._by_handle[schedule.handle] = schedule
        self.held += len(schedule.workload)
        self.functions[schedule.function] = self.functions.get(schedule.function, 0) + 1
        if schedule.unique:
            self._by_unique.setdefault((schedule.function, schedule.unique), schedule)
        self._wait(schedule, due or self._next(schedule, now))

    def change(self, schedule: Schedule, cron: str, timezone: str, priority: i64, workload: bytes, now: float) -> None:
        """Change the times of a schedule, and the priority and the workload of its jobs.

        A run that is due already is still made.
        """
        schedule.cron = cron
        schedule.timezone = timezone
        schedule.priority = priority
        self.held += len(workload) - len(schedule.workload)
        schedule.workload = workload
        if schedule.due > now:
            self._wait(schedule, self._next(schedule, now))

    def find_run(self, function: bytes, unique: bytes, number: i64) -> Schedule | None:
        """Return the schedule that submitted a job last, by the function, the unique and the number of that job."""
        schedule = self._by_unique.get((function, unique)) or self._by_handle.get(unique)
        return schedule if schedule is not None and schedule.last_run == number else None

    def run_again(self, schedule: Schedule, now: float) -> None:
        """Let a schedule be due now, as its last job could not be stored."""
        self._wait(schedule, int(now))

    def remove(self, schedule: Schedule) -> None:
        """Remove a schedule. The jobs that it has submitted go on."""
        schedule.is_cancelled = True
        del self._by_handle[schedule.handle]
        self.held -= len(schedule.workload)
        self.functions[schedule.function] -= 1
        if not self.functions[schedule.function]:
            del self.functions[schedule.function]
        if self._by_unique.get((schedule.function, schedule.unique)) is schedule:
            del self._by_unique[schedule.function, schedule.unique]
        assert schedule.deadline is not None, "it waits for its next time from the beginning"
        self._due.cancel(schedule.deadline)

    def take_due(self, now: float) -> Schedule | None:
        """Return a schedule that is due, or None; the schedule then waits for its next time."""
        if now < self._last_look - _SET_BACK:
            log.warning("the clock was set back; computing the times of %s again", counted(len(self), "schedule"))
            self._to_compute = list(self)
        self._last_look = now
        for _ in range(min(_PORTION, len(self._to_compute))):
            each = self._to_compute.pop()
            if not each.is_cancelled:
                self._wait(each, min(each.due, self._next(each, now)))
        if self._to_compute:
            return None
        schedule = self._due.pop_due(now)
        if schedule is not None:
            schedule.deadline = None
            self._wait(schedule, self._next(schedule, now))
        return schedule

    def next_due(self) -> float | None:
        """Return the time at which the next schedule is due, or None."""
        return 0.0 if self._to_compute else self._due.next_due()

    def _wait(self, schedule: Schedule, due: int) -> None:
        if schedule.deadline is not None:
            self._due.cancel(schedule.deadline)
        schedule.due = due
        schedule.deadline = self._due.push(due, schedule)

    def _zone_of(self, schedule: Schedule) -> tzinfo:
        """Return the time zone of a schedule, or that of the server if the machine has it no more."""
        if not schedule.timezone:
            return self.zone
        try:
            return find_zone(schedule.timezone)
        except ValueError:
            return self.zone

    def _next(self, schedule: Schedule, now: float) -> int:
        """Return the next time of a schedule; many with the same line need it in the same minute."""
        minute = int(now // 60)
        if minute != self._minute or len(self._next_times) >= _MOST_KNOWN:
            self._minute = minute
            self._next_times.clear()
        line = schedule.cron, schedule.timezone
        due = self._next_times.get(line)
        if due is None:
            due = self._next_times[line] = next_time(schedule.cron, self._zone_of(schedule), now)
        return due


def next_time(cron: str, zone: tzinfo, now: float) -> int:
    """Return the first time of a cron line after ``now``, both in seconds since the epoch."""
    from cronsim import CronSim  # servers without schedules do without it

    minute, hour, rest = cron.split(" ", 2)
    if hour != "*":
        # A star at the beginning makes cronsim count hours that pass, and not times of the day.
        cron = f"{_spelled_out(minute, '0-59')} {_spelled_out(hour, '0-23')} {rest}"
    times = CronSim(cron, datetime.fromtimestamp(now, zone))
    while True:
        due = int(next(times).timestamp())
        if due > now:  # else it is a time that the day has twice, and the second one comes
            return due


def _spelled_out(field: str, every: str) -> str:
    return every + field[1:] if field.startswith("*") else field


class CronLines:
    """Cron lines that were checked, as a check takes up to a thousand times as long as an ordinary packet."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[CronFields, str | RemoteProtocolError] = {}

    def known(self, fields: CronFields) -> bool:
        """Tell whether the fields were checked a short while ago."""
        return fields in self._lines

    def line(self, fields: CronFields) -> str:
        """Return the cron line that the fields of a packet make, with the days of the week by name.

        Raises:
            RemoteProtocolError: The fields are not a cron line, or one that is never due.
        """
        found = self._lines.get(fields)
        if found is None:
            try:
                found = cron_line(fields)
            except RemoteProtocolError as error:
                found = error
            if len(self._lines) >= _MOST_KNOWN:
                self._lines.clear()
            if sum([len(field) for field in fields]) <= _MAX_FIELD:
                self._lines[fields] = found
        if isinstance(found, RemoteProtocolError):
            raise RemoteProtocolError(found.text, found.code)
        return found


def cron_line(fields: CronFields) -> str:
    """Return the cron line that the fields of a packet make, with the days of the week by name.

    Raises:
        RemoteProtocolError: The fields are not a cron line, or one that is never due.
    """
    written = b" ".join(fields)
    if any(len(field) > _MAX_FIELD or not _MAY_STAND.fullmatch(field) for field in fields):
        raise RemoteProtocolError(
            f"a cron field has up to {_MAX_FIELD} digits, letters and characters of *,/-#, not {written[:200]!r}"
        )
    *times, weekday = (field.decode().upper() for field in fields)
    try:
        check_times(times)
        line = " ".join([*times, _weekdays(weekday)])
    except ValueError as error:
        raise _not_a_cron_line(written, str(error)) from error
    if not _is_ever_due(line):
        raise _not_a_cron_line(written, "no date matches it")
    return line


def _not_a_cron_line(written: bytes, reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"Invalid cron line {written.decode()!r}: {reason}")


def _is_ever_due(line: str) -> bool:
    """Tell whether a day matches in any month.

    By the weekday of the first day and the length, there are 28 kinds of months.
    """
    from calendar import monthrange

    from cronsim import CronSim, CronSimError  # servers without schedules do without it

    try:
        times = CronSim(line, datetime(2001, 1, 1))  # noqa: DTZ001  # any moment of any zone does
    except CronSimError:  # of a date such as 30 February
        return False
    seen: set[tuple[int, int]] = set()
    for year in range(2001, 2029):  # the calendar repeats after 28 years
        for month in times.months:
            kind = first, length = monthrange(year, month)
            if kind not in seen:
                seen.add((first, length))
                if any(times.match_day(date(year, month, day)) for day in range(1, length + 1)):
                    return True
    return False


def _weekdays(field: str) -> str:
    """Return the days of the week one by one and by name, except for the last of a month."""
    if field == "*":
        return field
    return ",".join(
        f"{FROM_SUNDAY.index(day)}L" if which == "L" else day + which for day, which in expand_days(field, FROM_MONDAY)
    )
