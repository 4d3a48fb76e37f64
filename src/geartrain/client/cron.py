# SPDX-License-Identifier: MIT
"""Cron lines of users, as the fields of a SUBMIT_JOB_SCHED packet.

Cron counts the days of the week from Sunday, the packet from Monday, so ranges of days are written out. The server
checks all fields again, and whether any date matches them.
"""

from geartrain.cron import FROM_MONDAY, FROM_SUNDAY, CronFields, check_times, expand_days
from geartrain.jobtimes import ScheduleOptions, check_timezone, with_schedule_options

__all__ = ["cron_fields", "cron_of"]

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def cron_fields(line: str) -> CronFields:
    """Return the fields of a cron line: five fields, or a nickname such as ``@daily``.

    Raises:
        ValueError: The line is not a cron line.
        TypeError: It is not text.
    """
    if not isinstance(line, str):
        raise TypeError(f"cron is a cron line, such as '*/5 * * * *' or '@daily', not {line!r}")
    fields = _NICKNAMES.get(line.strip().lower(), line).split()
    if len(fields) != 5 or not line.isascii():
        raise ValueError(
            f"{line!r} is not a cron line; a cron line has five fields (minute, hour, day of the month, month, day of "
            f"the week), as in '30 3 * * MON-FRI', or is one of {', '.join(_NICKNAMES)}"
        )
    *times, weekday = fields
    try:
        check_times(times)
        days = _weekdays(weekday)
    except ValueError as error:
        raise ValueError(f"{line!r} is not a cron line: {error}") from None
    minute, hour, day, month = (field.encode() for field in times)
    return minute, hour, day, month, days.encode()


def cron_of(line: str | None, timezone: str | None, at: object, delay: object) -> CronFields | None:
    """Return the fields of a cron line in a time zone, or ``None`` without a line.

    Raises:
        ValueError: The line is not a cron line, the time zone has no name of one, or another time is given as well.
        TypeError: The line is not text, or the time zone is not given by its name.
    """
    if line is None:
        if timezone is not None:
            raise ValueError("a time zone (timezone=) is that of a cron line (cron=)")
        return None
    if at is not None or delay is not None:
        raise ValueError("pass only one of at=, delay= and cron=")
    fields = cron_fields(line)
    if timezone is None:
        return fields
    if not isinstance(timezone, str):
        raise TypeError(f"timezone is the name of a time zone, such as 'Europe/Berlin', not {timezone!r}")
    return with_schedule_options(fields, ScheduleOptions(check_timezone(timezone)))


def _weekdays(field: str) -> str:
    if field == "*":
        return field
    if any(term.endswith("/") and "#" not in term for term in field.split(",")):
        raise ValueError(f"a step is a number above 0, as in */5, not {field!r}")
    days = expand_days(field, FROM_SUNDAY)
    return ",".join(f"{FROM_MONDAY.index(day)}{which}" for day, which in days)
