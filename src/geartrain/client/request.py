# SPDX-License-Identifier: MIT
"""Submissions: a user's request for a job, checked and encoded as a packet."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from geartrain.client.submission import Submission, check_size, chosen_unique, plain_packet, unique_bytes
from geartrain.cron import CronFields
from geartrain.errors import LocalProtocolError
from geartrain.jobtimes import DelayedTime, ScheduleOptions, delayed_option, with_schedule_options
from geartrain.names import Text, encode, function_bytes, value_bytes
from geartrain.protocol import Command, request
from geartrain.protocol.limits import INT64_MAX, MAX_UNIQUE
from geartrain.records import JobRequest, Nothing, Priority

if TYPE_CHECKING:
    from geartrain.codec import Codec

__all__ = [
    "MAX_HANDLE",
    "MAX_IN_FLIGHT",
    "Delay",
    "Moment",
    "Start",
    "Submission",
    "check_in_flight",
    "check_renamed",
    "handle_bytes",
    "map_requests",
    "reduce_requests",
    "start_of",
    "submission",
    "unique_bytes",
]

MAX_HANDLE = 63  # bytes; the C server does not answer requests about longer ones
MAX_IN_FLIGHT = 100  # jobs of one `map`: enough to hide the round trip, and little memory

Moment: TypeAlias = datetime | float
Delay: TypeAlias = timedelta | float


class Start(NamedTuple):
    """The time before which a job is not started.

    Attributes:
        second: The time in seconds since 1970, rounded up.
        milliseconds: The exact time, since 1970 or from now.
        is_delay: True for a time from now.
    """

    second: int
    milliseconds: int
    is_delay: bool


def submission(
    wanted: JobRequest,
    *,
    prefix: Text = b"",
    codec: "Codec[Any, Any] | None" = None,
    background: bool = False,
    start: Start | None = None,
    cron: CronFields | None = None,
) -> Submission:
    """Check and encode a job.

    Args:
        wanted: The job.
        prefix: Put before the function's name.
        codec: Encodes the workload; without one, it is text or bytes.
        background: True for a background job; jobs with ``start`` or ``cron`` are background jobs too.
        start: The time before which the job is not started.
        cron: The times at which the job is started repeatedly.

    Raises:
        LocalProtocolError: A name is too long or contains a NUL byte, or the workload is too large.
        ValueError: The protocol cannot combine these options, there is no such priority, or the resubmits are negative.
        TypeError: The codec cannot encode the workload, or the resubmits are not a number.
    """
    if wanted.priority not in tuple(Priority):
        raise ValueError(f"priority is Priority.HIGH, Priority.NORMAL or Priority.LOW, not {wanted.priority!r}")
    if not isinstance(wanted.resubmits, int):
        raise TypeError(f"resubmits is a whole number, not {wanted.resubmits!r}")
    if wanted.resubmits < 0:
        raise ValueError(f"resubmits is 0 or more, not {wanted.resubmits}")
    function = function_bytes(wanted.function, prefix)
    workload = _workload_of(wanted, codec)
    check_size(workload)
    background = background or start is not None or cron is not None
    unique = chosen_unique(wanted.unique, background=background)
    option = b""
    if cron is not None:
        _check_no_reducer(wanted, "repeating", Command.SUBMIT_JOB_SCHED)
        if wanted.unique is None:
            # A program submits its schedules at each start: the same function and workload are the same schedule.
            unique = _digest(workload)
        fields = with_schedule_options(cron, ScheduleOptions(priority=Priority(wanted.priority)))
        packet = request(Command.SUBMIT_JOB_SCHED, function, unique, *fields, workload)
    elif start is not None:
        _check_no_reducer(wanted, "delayed", Command.SUBMIT_JOB_EPOCH)
        packet = request(Command.SUBMIT_JOB_EPOCH, function, unique, b"%d" % start.second, workload)
        option = _option_of(start, Priority(wanted.priority))
    elif wanted.reducer:
        if wanted.priority != Priority.NORMAL:
            raise ValueError(
                "a job with a reducer has no priority: the protocol's SUBMIT_REDUCE_JOB has no field for it"
            )
        command = Command.SUBMIT_REDUCE_JOB_BACKGROUND if background else Command.SUBMIT_REDUCE_JOB
        packet = request(command, function, unique, _reducer_bytes(wanted.reducer, prefix), b"", workload)
    else:
        packet = plain_packet(function, unique, workload, Priority(wanted.priority), background=background)
    key = (workload if unique == b"-" else unique) if wanted.unique or cron is not None else b""
    return Submission(packet, function, unique, key, background, wanted.resubmits, option)


def _check_no_reducer(wanted: JobRequest, what: str, command: Command) -> None:
    if wanted.reducer:
        raise ValueError(f"a {what} job has no reducer: the protocol's {command.name} has no field for it")


def _option_of(start: Start, priority: Priority) -> bytes:
    """Return the packet that carries what SUBMIT_JOB_EPOCH has no field for, or nothing if there is no such thing."""
    is_exact = not start.is_delay and start.milliseconds == start.second * 1000
    if is_exact and priority == Priority.NORMAL:
        return b""
    return request(Command.OPTION_REQ, delayed_option(DelayedTime(start.milliseconds, start.is_delay, priority)))


def _workload_of(wanted: JobRequest, codec: "Codec[Any, Any] | None") -> bytes:
    if isinstance(wanted.workload, Nothing):
        return wanted.workload
    if codec is not None:
        return encode(codec.encode(wanted.workload), "a workload")
    return value_bytes(wanted.workload)


def _digest(workload: bytes) -> bytes:
    from hashlib import blake2b  # and with it OpenSSL, which no other job needs

    return blake2b(workload, digest_size=16).hexdigest().encode()


def _reducer_bytes(name: Text, prefix: Text) -> bytes:
    encoded = function_bytes(name, prefix)
    if len(encoded) > MAX_UNIQUE:
        raise LocalProtocolError(
            f"a reducer's name may have {MAX_UNIQUE} bytes with its prefix, not {len(encoded)}: {encoded!r:.200}"
        )
    return encoded


def start_of(at: Moment | None, delay: Delay | None, now: float) -> Start | None:
    """Return the time before which a job is not started, or ``None`` if it may start at once.

    Fractions are rounded up: a job never starts early.

    Raises:
        ValueError: Both times are given, the datetime has no time zone, or the delay is negative.
        TypeError: A time is given as something else, such as text.
    """
    if at is not None and delay is not None:
        raise ValueError("a job has either a time (at=) or a delay (delay=), not both")
    if not isinstance(at, datetime | float | int | None):
        raise TypeError(
            f"at is a datetime with a time zone or seconds since 1970, not {at!r}; for a time from now, use delay="
        )
    if not isinstance(delay, timedelta | float | int | None):
        raise TypeError(f"delay is a number of seconds or a timedelta, not {delay!r}")
    if isinstance(at, datetime):
        if at.utcoffset() is None:
            raise ValueError(f"{at!r} has no time zone; try at.astimezone()")
        at = at.timestamp()
    if delay is not None:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
        if not seconds >= 0:
            raise ValueError(f"a delay cannot be negative: {delay!r}")
        at = now + seconds
        return Start(_whole_second(at), _milliseconds(seconds), True)
    if at is None:
        return None
    return Start(_whole_second(at), _milliseconds(at), False)


def _whole_second(at: float) -> int:
    if not 0 <= at <= INT64_MAX:
        raise ValueError(f"a job's time is given in seconds since 1970, not as {at!r}")
    return math.ceil(at)


def _milliseconds(seconds: float) -> int:
    """Return a time in milliseconds, rounded up, but not for the error of a float."""
    return math.ceil(round(seconds * 1000, 3))


def handle_bytes(handle: str) -> bytes:
    """Return a handle on the wire.

    Raises:
        LocalProtocolError: The handle is empty, too long or contains a NUL byte.
    """
    encoded = handle.encode("utf-8", "surrogateescape")
    if not encoded or len(encoded) > MAX_HANDLE or b"\0" in encoded:
        raise LocalProtocolError(f"a handle has 1 to {MAX_HANDLE} bytes without NUL, not {handle[:200]!r}")
    return encoded


def check_in_flight(number: int) -> None:
    """Check the number of jobs of a `map` that are in flight.

    Raises:
        ValueError: It is below 1.
    """
    if number < 1:
        raise ValueError(f"max_in_flight is a number above 0, not {number}")


def map_requests(function: Text, priority: Priority, resubmits: int) -> Callable[[object], JobRequest]:
    """Return a function that makes a job of each workload of a `map`."""
    return lambda workload: JobRequest(function, workload, None, priority, resubmits)


def reduce_requests(mapper: Text, reducer: Text, resubmits: int) -> Callable[[object], JobRequest]:
    """Return a function that makes a reduce job of each input of a `map_reduce`."""
    return lambda workload: JobRequest(mapper, workload, resubmits=resubmits, reducer=reducer)


def check_renamed(method: str, arguments: Mapping[str, object]) -> None:
    """Reject arguments that a method does not have.

    Raises:
        TypeError: There is one; the message has the new name of an old one.
    """
    for name in arguments:
        hint = "; after a lost connection a job is submitted again with resubmits=" if name == "retries" else ""
        raise TypeError(f"{method}() got an unexpected keyword argument {name!r}{hint}")
