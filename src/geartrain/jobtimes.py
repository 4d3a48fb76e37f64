# SPDX-License-Identifier: MIT
"""Exact times, time zones and priorities of delayed and repeating jobs, as extensions of two packets.

SUBMIT_JOB_EPOCH has a field for whole seconds only. An OPTION_REQ in front of it carries the time in milliseconds,
since 1970 or from now, and the priority::

    delayed-job=1700000000250,normal
    delayed-job=+250,high

A server that does not know the option answers it with an ERROR, and starts the job at the second in the packet.

A repeating job must not run at other times than its user meant, so its options are in the packet itself: behind the
last field of the cron line in SUBMIT_JOB_SCHED. A server that does not know them takes that for a wrong cron line::

    1,2,3;timezone=Europe/Berlin;priority=high
"""

import re
from typing import Final, NamedTuple

from geartrain.cron import CronFields
from geartrain.records import Priority

__all__ = [
    "DELAYED_JOB",
    "MAX_ZONE",
    "DelayedTime",
    "ScheduleOptions",
    "check_timezone",
    "delayed_option",
    "read_delayed_option",
    "read_schedule_options",
    "with_schedule_options",
]

DELAYED_JOB: Final = b"delayed-job="
MAX_ZONE: Final = 64  # characters of the name of a time zone; the longest one has 32

_PRIORITIES: Final = {priority.name.lower().encode(): priority for priority in Priority}
_DELAYED: Final = re.compile(rb"delayed-job=(\+?)(\d{1,22}),(%b)" % b"|".join(_PRIORITIES))
_ZONE: Final = re.compile(rf"[A-Za-z0-9_+/-]{{1,{MAX_ZONE}}}")


class DelayedTime(NamedTuple):
    """The exact time of a delayed job, and its priority.

    Attributes:
        milliseconds: The time, since 1970 or from the moment at which the server gets the job.
        is_delay: True for a time from that moment.
        priority: The priority of the job.
    """

    milliseconds: int
    is_delay: bool
    priority: Priority


class ScheduleOptions(NamedTuple):
    """The options of a repeating job.

    Attributes:
        timezone: The name of the time zone of its cron line; empty for that of the server.
        priority: The priority of its jobs.
    """

    timezone: str = ""
    priority: Priority = Priority.NORMAL


def delayed_option(time: DelayedTime) -> bytes:
    """Return the option in front of a SUBMIT_JOB_EPOCH."""
    sign = b"+" if time.is_delay else b""
    return b"%b%b%d,%b" % (DELAYED_JOB, sign, time.milliseconds, time.priority.name.lower().encode())


def read_delayed_option(option: bytes) -> DelayedTime | None:
    """Return the time that an option gives, or None if it is not one."""
    found = _DELAYED.fullmatch(option)
    return DelayedTime(int(found[2]), bool(found[1]), _PRIORITIES[found[3]]) if found else None


def check_timezone(name: str) -> str:
    """Return the name of a time zone; whether there is one of that name is known to the server.

    Raises:
        ValueError: It cannot be the name of a time zone.
    """
    if not _ZONE.fullmatch(name):
        raise ValueError(f"a time zone has a name such as Europe/Berlin, not {name[:200]!r}")
    return name


def with_schedule_options(fields: CronFields, options: ScheduleOptions) -> CronFields:
    """Return the cron fields of a SUBMIT_JOB_SCHED with the options of the repeating job."""
    minute, hour, day, month, weekday = fields
    if options.timezone:
        weekday += b";timezone=" + options.timezone.encode()
    if options.priority != Priority.NORMAL:
        weekday += b";priority=" + options.priority.name.lower().encode()
    return minute, hour, day, month, weekday


def read_schedule_options(fields: CronFields) -> tuple[CronFields, ScheduleOptions]:
    """Return the cron fields of a SUBMIT_JOB_SCHED, and the options of the repeating job.

    Raises:
        ValueError: There is an option that this version does not know, or a wrong value.
    """
    minute, hour, day, month, last = fields
    if b";" not in last:
        return fields, ScheduleOptions()
    weekday, *written = last.split(b";")
    options = ScheduleOptions()
    for each in written:
        name, _, value = each.partition(b"=")
        if name == b"timezone":
            options = options._replace(timezone=check_timezone(value.decode("ascii", "replace")))
        elif name == b"priority" and value in _PRIORITIES:
            options = options._replace(priority=_PRIORITIES[value])
        else:
            raise ValueError(
                f"a repeating job has the options timezone=NAME and priority=high, normal or low, not {each[:200]!r}"
            )
    return (minute, hour, day, month, weekday), options
