# SPDX-License-Identifier: MIT
"""Schedules of jobs: cron lines, and when each is due next (protocol 1, SUBMIT_JOB_SCHED).

A schedule is not a job. Each time that it is due it submits a background job and waits for its next time. If the job of
the last time still waits or runs, no second one is made. Runs that were missed, because the server was down or its
clock was set forward, become one run. If the clock is set back, all times are computed again.
"""

import calendar
import logging
import re
from collections.abc import Iterator
from datetime import date, datetime, tzinfo

from cronsim import CronSim, CronSimError
from mypy_extensions import i64, mypyc_attr

from geartrain.core.deadlines import Deadline, Deadlines
from geartrain.core.durable import Durable
from geartrain.core.record import JobRecord
from geartrain.cron import FROM_MONDAY, FROM_SUNDAY, CronFields, expand_days
from geartrain.errors import RemoteProtocolError
from geartrain.protocol.limits import INT64_MAX
from geartrain.records import Priority
from geartrain.wording import counted

__all__ = ["CronLines", "Schedule", "Schedules", "cron_line"]

log = logging.getLogger("geartrain.jobs")

_NORMAL = int(Priority.NORMAL)
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
        due: When it runs next, in seconds since the epoch.
        last_run: The number of the job that it submitted last; 0 for none.
    """

    __slots__ = ("_known", "cron", "deadline", "due", "function", "handle", "is_cancelled", "last_run", "unique")

    def __init__(self, number: i64, handle: bytes, function: bytes, unique: bytes, cron: str, workload: bytes) -> None:
        super().__init__(number, workload)
        self.handle = handle
        self.function = function
        self.unique = unique
        self.cron = cron
        self.due = 0
        self.last_run: i64 = 0
        self.deadline: Deadline[Schedule] | None = None
        self.is_cancelled = False
        self._known: JobRecord | None = None  # the record that it was restored from

    @classmethod
    def restored(cls, record: JobRecord) -> "Schedule":
        """Return the schedule that a record describes."""
        schedule = cls(
            record.number, record.handle, record.function, record.unique, record.schedule.decode(), record.workload
        )
        schedule.is_durable = True
        schedule._known = record
        return schedule

    @property
    def has_ended(self) -> bool:
        """True if it was cancelled."""
        return self.is_cancelled

    def __repr__(self) -> str:
        return f"<Schedule {self.handle.decode(errors='replace')} {self.cron}>"

    def record(self) -> JobRecord:
        """Return its record for a store."""
        run_at = min(self.due * 1000, INT64_MAX)
        cron = self.cron.encode()
        if self._known is not None:  # it may have fields that this version does not use
            return self._known.replace(run_at=run_at, schedule=cron, workload=self.workload)
        return JobRecord(
            self.number,
            self.handle,
            self.function,
            self.unique,
            _NORMAL,
            self.workload,
            run_at=run_at,
            schedule=cron,
        )


class Schedules:
    """All schedules of a server.

    Args:
        zone: The time zone of the cron lines.

    Attributes:
        held: The bytes of all their workloads.
        functions: The functions that have schedules, each with their number.
    """

    __slots__ = (
        "_by_handle",
        "_by_unique",
        "_due",
        "_last_look",
        "_minute",
        "_next_times",
        "_to_compute",
        "_zone",
        "functions",
        "held",
    )

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._by_handle: dict[bytes, Schedule] = {}
        self._by_unique: dict[tuple[bytes, bytes], Schedule] = {}
        self._due: Deadlines[Schedule] = Deadlines()
        self._last_look = 0.0
        self._minute = -1
        self._next_times: dict[str, int] = {}  # of cron lines, as seen from that minute
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
        self._wait(schedule, due or self._next(schedule.cron, now))

    def change(self, schedule: Schedule, cron: str, workload: bytes, now: float) -> None:
        """Change the times and the workload of a schedule. A run that is due already is still made."""
        schedule.cron = cron
        self.held += len(workload) - len(schedule.workload)
        schedule.workload = workload
        if schedule.due > now:
            self._wait(schedule, self._next(cron, now))

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
                self._wait(each, min(each.due, self._next(each.cron, now)))
        if self._to_compute:
            return None
        schedule = self._due.pop_due(now)
        if schedule is not None:
            schedule.deadline = None
            self._wait(schedule, self._next(schedule.cron, now))
        return schedule

    def next_due(self) -> float | None:
        """Return the time at which the next schedule is due, or None."""
        return 0.0 if self._to_compute else self._due.next_due()

    def _wait(self, schedule: Schedule, due: int) -> None:
        if schedule.deadline is not None:
            self._due.cancel(schedule.deadline)
        schedule.due = due
        schedule.deadline = self._due.push(due, schedule)

    def _next(self, cron: str, now: float) -> int:
        """Return the next time of a cron line; many schedules with the same line need it in the same minute."""
        minute = int(now // 60)
        if minute != self._minute or len(self._next_times) >= _MOST_KNOWN:
            self._minute = minute
            self._next_times.clear()
        due = self._next_times.get(cron)
        if due is None:
            moment = next(CronSim(cron, datetime.fromtimestamp(now, self._zone)))
            due = self._next_times[cron] = int(moment.timestamp())
        return due


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
        line = " ".join([*times, _weekdays(weekday)])
        is_due = _is_ever_due(CronSim(line, datetime(2001, 1, 1)))  # noqa: DTZ001  # any moment of any zone does
    except (CronSimError, ValueError) as error:
        raise _not_a_cron_line(written, str(error)) from error
    if not is_due:
        raise _not_a_cron_line(written, "it is never due")
    return line


def _not_a_cron_line(written: bytes, reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"Invalid cron line {written.decode()!r}: {reason}; its fields are minute (0-59), hour (0-23), day (1-31), "
        f"month (1-12) and day of the week (MON-SUN, or 0-6 from Monday)"
    )


def _is_ever_due(times: CronSim) -> bool:
    """Tell whether a day matches in any month.

    By the weekday of the first day and the length, there are 28 kinds of months.
    """
    seen: set[tuple[int, int]] = set()
    for year in range(2001, 2029):  # the calendar repeats after 28 years
        for month in times.months:
            kind = first, length = calendar.monthrange(year, month)
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
