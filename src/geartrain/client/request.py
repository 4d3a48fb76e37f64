# SPDX-License-Identifier: MIT
"""From what a user asks for to the packet that asks for it: every check that needs no server."""

import math
import os
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

from geartrain.codec import RAW, Codec
from geartrain.cron import CronFields
from geartrain.errors import LocalProtocolError
from geartrain.names import Text, encode, function_bytes
from geartrain.protocol import Command, request
from geartrain.records import JobRequest, Nothing, Priority

__all__ = [
    "MAX_HANDLE",
    "MAX_UNIQUE",
    "Delay",
    "Moment",
    "Submission",
    "epoch_seconds",
    "handle_bytes",
    "submission",
    "unique_bytes",
]

MAX_UNIQUE = 64  # bytes; servers answer ERROR to more, or drop the connection
MAX_REDUCER = 64  # bytes; servers answer ERROR to more
MAX_HANDLE = 63  # bytes; the C server never answers questions about longer ones

_LAST_EPOCH = 2**63 - 1
_LARGEST_WORKLOAD = 2**32 - 1 - MAX_UNIQUE - 1024  # the header's length has 32 bits, and the names need room as well

Moment: TypeAlias = datetime | float
Delay: TypeAlias = timedelta | float

_FOREGROUND = {
    Priority.HIGH: Command.SUBMIT_JOB_HIGH,
    Priority.NORMAL: Command.SUBMIT_JOB,
    Priority.LOW: Command.SUBMIT_JOB_LOW,
}
_BACKGROUND = {
    Priority.HIGH: Command.SUBMIT_JOB_HIGH_BG,
    Priority.NORMAL: Command.SUBMIT_JOB_BG,
    Priority.LOW: Command.SUBMIT_JOB_LOW_BG,
}


class Submission(NamedTuple):
    """A job as it travels, checked and encoded.

    Attributes:
        packet: The SUBMIT_JOB* packet.
        function: The function's name on the wire.
        unique: The unique on the wire.
        key: What makes two jobs of the function the same job, so that they must meet at one server: the unique, or the
            workload; empty if any server will do.
        background: Whether nobody waits for the result.
        retries: As in `JobRequest`.
    """

    packet: bytes
    function: bytes
    unique: bytes
    key: bytes
    background: bool
    retries: int


def submission(
    wanted: JobRequest,
    *,
    prefix: Text = b"",
    codec: Codec[Any, Any] = RAW,
    background: bool = False,
    epoch: int | None = None,
    cron: CronFields | None = None,
) -> Submission:
    """Check and encode a job.

    Args:
        wanted: The job.
        prefix: Put before the function's name.
        codec: Makes bytes of the workload.
        background: Whether nobody waits for the result.
        epoch: Not to be started before this second; such jobs are background jobs.
        cron: To be started again and again at such times; these are background jobs as well.

    Raises:
        LocalProtocolError: The protocol has no place for what was asked.
        ValueError: A delayed or repeating job cannot have a priority or a reducer, nor can both be had; and retries
            are not negative.
        TypeError: The codec does not take such a workload, or the retries are no number.
    """
    if not isinstance(wanted.retries, int):
        raise TypeError(f"retries is a whole number, not {wanted.retries!r}")
    if wanted.retries < 0:
        raise ValueError(f"retries is 0 or more, not {wanted.retries}")
    function = function_bytes(wanted.function, prefix)
    workload = _workload_of(wanted, codec)
    if len(workload) > _LARGEST_WORKLOAD:
        raise LocalProtocolError(f"a workload may have {_LARGEST_WORKLOAD} bytes, not {len(workload)}")
    background = background or epoch is not None or cron is not None
    unique = _unique_of(wanted, background=background)
    if cron is not None:
        _check_plain(wanted, "repeating", Command.SUBMIT_JOB_SCHED)
        if wanted.unique is None:
            # A program that is started anew submits anew: the same function and workload are the same schedule.
            unique = blake2b(workload, digest_size=16).hexdigest().encode()
        packet = request(Command.SUBMIT_JOB_SCHED, function, unique, *cron, workload)
    elif epoch is not None:
        _check_plain(wanted, "delayed", Command.SUBMIT_JOB_EPOCH)
        packet = request(Command.SUBMIT_JOB_EPOCH, function, unique, b"%d" % epoch, workload)
    elif wanted.reducer:
        if wanted.priority != Priority.NORMAL:
            raise ValueError(
                "a job with a reducer has no priority: the protocol's SUBMIT_REDUCE_JOB has no place for one"
            )
        command = Command.SUBMIT_REDUCE_JOB_BACKGROUND if background else Command.SUBMIT_REDUCE_JOB
        packet = request(command, function, unique, _reducer_bytes(wanted.reducer, prefix), b"", workload)
    else:
        command = (_BACKGROUND if background else _FOREGROUND)[Priority(wanted.priority)]
        packet = request(command, function, unique, workload)
    key = (workload if unique == b"-" else unique) if wanted.unique or cron is not None else b""
    return Submission(packet, function, unique, key, background, wanted.retries)


def _check_plain(wanted: JobRequest, what: str, command: Command) -> None:
    for name, is_there in (("priority", wanted.priority != Priority.NORMAL), ("reducer", bool(wanted.reducer))):
        if is_there:
            raise ValueError(f"a {what} job has no {name}: the protocol's {command.name} has no place for one")


def _workload_of(wanted: JobRequest, codec: Codec[Any, Any]) -> bytes:
    if isinstance(wanted.workload, Nothing):
        return wanted.workload
    return encode(codec.encode(wanted.workload), "a workload")


def _unique_of(wanted: JobRequest, *, background: bool) -> bytes:
    if wanted.unique is None:
        # The C server stores background jobs by function and unique: without one they would overwrite each other.
        return os.urandom(16).hex().encode() if background else b""
    return unique_bytes(wanted.unique)


def _reducer_bytes(name: Text, prefix: Text) -> bytes:
    encoded = function_bytes(name, prefix)
    if len(encoded) > MAX_REDUCER:
        raise LocalProtocolError(
            f"a reducer's name may have {MAX_REDUCER} bytes with its prefix, not {len(encoded)}: {encoded!r:.200}"
        )
    return encoded


def unique_bytes(unique: Text) -> bytes:
    """Return a unique as it travels.

    Raises:
        LocalProtocolError: It is too long or contains a NUL byte.
    """
    encoded = encode(unique, "a unique")
    if len(encoded) > MAX_UNIQUE or b"\0" in encoded:
        raise LocalProtocolError(
            f"a unique has up to {MAX_UNIQUE} bytes and no NUL among them, unlike {encoded!r:.200}"
        )
    return encoded


def epoch_seconds(at: Moment | None, delay: Delay | None, now: float) -> int | None:
    """Return the second before which a job is not to be started, or ``None`` if it may start at once.

    Fractions are rounded up: a job is never early.

    Raises:
        ValueError: Both are given, or one is no moment in time: a datetime without a time zone, a negative delay.
    """
    if at is not None and delay is not None:
        raise ValueError("a job has either a time (at=) or a delay (delay=), not both")
    if isinstance(at, datetime):
        if at.utcoffset() is None:
            raise ValueError(f"{at!r} has no time zone, so it is no moment in time; try at.astimezone()")
        at = at.timestamp()
    if delay is not None:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
        if not seconds >= 0:
            raise ValueError(f"a delay cannot be negative: {delay!r}")
        at = now + seconds
    if at is None:
        return None
    if not 0 <= at <= _LAST_EPOCH:
        raise ValueError(f"a job's time is given in seconds since 1970, not as {at!r}")
    return math.ceil(at)


def handle_bytes(handle: str) -> bytes:
    """Return a handle as it travels; see `Session` for the way back.

    Raises:
        LocalProtocolError: No server's handle looks like that.
    """
    encoded = handle.encode("utf-8", "surrogateescape")
    if not encoded or len(encoded) > MAX_HANDLE or b"\0" in encoded:
        raise LocalProtocolError(f"a handle has 1 to {MAX_HANDLE} bytes and no NUL among them, unlike {handle[:200]!r}")
    return encoded
