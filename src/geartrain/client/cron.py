# SPDX-License-Identifier: MIT
"""Cron lines as users write them, as the fields of a SUBMIT_JOB_SCHED packet.

Cron counts the days of the week from Sunday, the packet from Monday, so ranges are written out. What else a field may
say is judged by the server, which has to keep to it.
"""

from collections.abc import Iterator
from typing import TypeAlias

__all__ = ["CronFields", "cron_fields", "cron_of"]

# Minute, hour, day of the month, month, day of the week.
CronFields: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def cron_fields(line: str) -> CronFields:
    """Return the fields of a cron line: five of them, or a nickname such as ``@daily``.

    Raises:
        ValueError: It is none.
    """
    fields = _NICKNAMES.get(line.strip().lower(), line).split()
    if len(fields) != 5 or not line.isascii():
        raise ValueError(
            "a cron line has five fields (minute, hour, day of the month, month, day of the week), or is one of "
            f"{', '.join(_NICKNAMES)}, not {line!r}"
        )
    *times, weekday = fields
    days = weekday if weekday == "*" else ",".join(day for term in weekday.split(",") for day in _days(term, line))
    minute, hour, day, month = (field.encode() for field in times)
    return minute, hour, day, month, days.encode()


def cron_of(line: str | None, at: object, delay: object) -> CronFields | None:
    """Return the fields of a cron line, if there is one.

    Raises:
        ValueError: It is none, or another time is given as well.
    """
    if line is None:
        return None
    if at is not None or delay is not None:
        raise ValueError("a job has one time: at=, delay= or cron=")
    return cron_fields(line)


def _days(term: str, line: str) -> Iterator[str]:
    """Yield the days that one term of the last field means, counted from Monday."""
    if "#" in term:
        day, _, nth = term.partition("#")
        yield f"{_from_monday(_day(day, line))}#{nth}"
    elif term.upper().endswith("L"):
        yield f"{_from_monday(_day(term[:-1], line))}L"
    else:
        span, slash, step = term.partition("/")
        first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
        start = _day(first, line)
        end = _day(last, line) if dash else 6 if slash else start
        if end < start and last.upper() in ("SUN", "0"):
            end = 7
        if end < start or (slash and not (step.isdigit() and int(step))):
            raise ValueError(f"the last field of a cron line is the day of the week, not {term!r} as in {line!r}")
        for each in range(start, end + 1, int(step or 1)):
            yield str(_from_monday(each))


def _day(text: str, line: str) -> int:
    if text.upper() in _DAYS:
        return _DAYS.index(text.upper())
    if text.isdigit() and int(text) <= 7:
        return int(text)
    raise ValueError(f"a day of the week is 0 to 7 or SUN to SAT, not {text!r} as in {line!r}")


def _from_monday(day: int) -> int:
    return (day - 1) % 7
