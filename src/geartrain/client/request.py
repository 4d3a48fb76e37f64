# SPDX-License-Identifier: MIT
"""Submissions: a user's request for a job, checked and encoded as a packet."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from geartrain.client.submission import Submission, check_size, chosen_unique, plain_packet, unique_bytes
from geartrain.cron import CronFields
from geartrain.errors import LocalProtocolError
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
    "Submission",
    "check_in_flight",
    "check_renamed",
    "epoch_seconds",
    "handle_bytes",
    "map_requests",
    "reduce_requests",
    "submission",
    "unique_bytes",
]

MAX_HANDLE = 63  # bytes; the C server does not answer requests about longer ones
MAX_IN_FLIGHT = 100  # jobs of one `map`: enough to hide the round trip, and little memory

Moment: TypeAlias = datetime | float
Delay: TypeAlias = timedelta | float


def submission(
    wanted: JobRequest,
    *,
    prefix: Text = b"",
    codec: "Codec[Any, Any] | None" = None,
    background: bool = False,
    epoch: int | None = None,
    cron: CronFields | None = None,
) -> Submission:
    """Check and encode a job.

    Args:
        wanted: The job.
        prefix: Put before the function's name.
        codec: Encodes the workload; without one, it is text or bytes.
        background: True for a background job; jobs with ``epoch`` or ``cron`` are background jobs too.
        epoch: The second before which the job is not started.
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
    background = background or epoch is not None or cron is not None
    unique = chosen_unique(wanted.unique, background=background)
    if cron is not None:
        _check_plain(wanted, "repeating", Command.SUBMIT_JOB_SCHED)
        if wanted.unique is None:
            # A program submits its schedules at each start: the same function and workload are the same schedule.
            unique = _digest(workload)
        packet = request(Command.SUBMIT_JOB_SCHED, function, unique, *cron, workload)
    elif epoch is not None:
        _check_plain(wanted, "delayed", Command.SUBMIT_JOB_EPOCH)
        packet = request(Command.SUBMIT_JOB_EPOCH, function, unique, b"%d" % epoch, workload)
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
    return Submission(packet, function, unique, key, background, wanted.resubmits)


def _check_plain(wanted: JobRequest, what: str, command: Command) -> None:
    for name, is_there in (("priority", wanted.priority != Priority.NORMAL), ("reducer", bool(wanted.reducer))):
        if is_there:
            raise ValueError(f"a {what} job has no {name}: the protocol's {command.name} has no field for it")


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


def epoch_seconds(at: Moment | None, delay: Delay | None, now: float) -> int | None:
    """Return the second before which a job is not started, or ``None`` if it may start at once.

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
    if at is None:
        return None
    if not 0 <= at <= INT64_MAX:
        raise ValueError(f"a job's time is given in seconds since 1970, not as {at!r}")
    return math.ceil(at)


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
