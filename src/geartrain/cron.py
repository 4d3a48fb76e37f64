# SPDX-License-Identifier: MIT
"""The cron fields of a SUBMIT_JOB_SCHED packet, and the days of the week in them.

Users count the days from Sunday, the packet counts them from Monday. A range therefore means different days on the two
sides, so both sides write out the single days.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

__all__ = ["FROM_MONDAY", "FROM_SUNDAY", "CronFields", "expand_days"]

# Minute, hour, day of the month, month, day of the week.
CronFields: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]

FROM_MONDAY = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
FROM_SUNDAY = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")  # which is 0 and 7


def expand_days(field: str, days: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each day of a field with its suffix.

    A suffix is ``#2`` for the second of a month, ``L`` for the last, or empty.

    Args:
        field: Days, ranges and steps, in capitals.
        days: The names of the days in the order of their numbers.

    Raises:
        ValueError: The field contains something else.
    """
    for term in field.split(","):
        day, hash_, nth = term.partition("#")
        if hash_:
            yield days[_index(day, days)], hash_ + nth
        elif term.endswith("L"):
            yield days[_index(term[:-1], days)], "L"
        else:
            for name in _span(term, days):
                yield name, ""


def _span(term: str, days: Sequence[str]) -> Sequence[str]:
    """Return the days of a range, perhaps with steps; a range to Sunday ends on the last Sunday."""
    span, _, step = term.partition("/")
    first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
    start = _index(first, days)
    end = _index(last, days) if dash else 6 if step else start
    if end < start and days[end] in days[start:]:
        end = days.index(days[end], start)
    if end < start or not (step or "1").isdigit() or int(step or 1) == 0:
        raise ValueError(f"not days of the week: {term!r}")
    return days[start : end + 1 : int(step or 1)]


def _index(day: str, days: Sequence[str]) -> int:
    if day in days:
        return days.index(day)
    if day.isdigit() and int(day) < len(days):
        return int(day)
    raise ValueError(f"a day of the week is 0 (Sunday) to {len(days) - 1} or MON to SUN, not {day!r}")
