# SPDX-License-Identifier: MIT
"""The cron fields of a SUBMIT_JOB_SCHED packet, their checks, and the days of the week in them.

Users count the days from Sunday, the packet counts them from Monday. A range therefore means different days on the two
sides, so both sides write out the single days. Both sides check all fields, with the same words for each mistake.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

__all__ = ["FROM_MONDAY", "FROM_SUNDAY", "CronFields", "check_times", "expand_days"]

# Minute, hour, day of the month, month, day of the week.
CronFields: TypeAlias = tuple[bytes, bytes, bytes, bytes, bytes]

FROM_MONDAY = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
FROM_SUNDAY = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")  # which is 0 and 7

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# The fields before the day of the week: name, smallest and largest number, names, and words for particular days.
_TIMES: tuple[tuple[str, int, int, Sequence[str], Sequence[str]], ...] = (
    ("minute", 0, 59, (), ()),
    ("hour", 0, 23, (), ()),
    ("day of the month", 1, 31, (), ("L", "LW")),
    ("month", 1, 12, _MONTHS, ()),
)


def check_times(fields: Sequence[str]) -> None:
    """Check the four fields before the day of the week.

    Args:
        fields: Lists of numbers, names, ranges and steps.

    Raises:
        ValueError: A field contains something else; the message says what is allowed.
    """
    for field, (what, least, most, names, words) in zip(fields, _TIMES, strict=True):
        for term in field.split(","):
            span, slash, step = term.partition("/")
            if slash and not (step.isdigit() and int(step)):
                raise ValueError(f"a step is a number above 0, as in */5, not {term!r}")
            if span != "*" and span.upper() not in words:
                first, dash, last = span.partition("-")
                start = _number(first, what, least, most, names)
                if dash and _number(last, what, least, most, names) < start:
                    raise ValueError(f"the range {span!r} ends before it begins")


def _number(text: str, what: str, least: int, most: int, names: Sequence[str]) -> int:
    if text.upper() in names:
        return least + names.index(text.upper())
    if text.isdigit() and least <= int(text) <= most:
        return int(text)
    shown = f" or {names[0]} to {names[-1]}" if names else ""
    raise ValueError(f"the {what} is {least} to {most}{shown}, not {text!r}")


def expand_days(field: str, days: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each day of a field with its suffix.

    A suffix is ``#2`` for the second of a month, ``L`` for the last, or empty.

    Args:
        field: Days, ranges and steps.
        days: The names of the days in the order of their numbers.

    Raises:
        ValueError: The field contains something else.
    """
    for term in field.split(","):
        day, hash_, nth = term.partition("#")
        if hash_:
            if not (nth.isdigit() and 1 <= int(nth) <= 5):
                raise ValueError(f"the number after '#' is 1 to 5, as in MON#2, not {term!r}")
            yield days[_index(day, days)], hash_ + nth
        elif term.upper().endswith("L"):
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
    if not (step or "1").isdigit() or int(step or 1) == 0:
        raise ValueError(f"a step is a number above 0, as in */5, not {term!r}")
    if end < start:
        raise ValueError(f"the range {span!r} ends before it begins")
    return days[start : end + 1 : int(step or 1)]


def _index(day: str, days: Sequence[str]) -> int:
    if day.upper() in days:
        return days.index(day.upper())
    if day.isdigit() and int(day) < len(days):
        return int(day)
    first = "Sunday" if days is FROM_SUNDAY else "Monday"
    raise ValueError(f"the day of the week is 0 ({first}) to {len(days) - 1} or MON to SUN, not {day!r}")
