# SPDX-License-Identifier: MIT
"""Submissions of plain jobs, checked and encoded; see `geartrain.client.request` for all other kinds.

The command `gearman` submits no others, and imports this module alone.
"""

import os
from typing import NamedTuple

from geartrain.errors import LocalProtocolError
from geartrain.names import Text, encode, function_bytes
from geartrain.protocol.commands import Command
from geartrain.protocol.limits import MAX_UNIQUE
from geartrain.protocol.packets import request
from geartrain.records import Priority

__all__ = ["Submission", "check_size", "chosen_unique", "plain_packet", "plain_submission", "unique_bytes"]

_LARGEST_WORKLOAD = 2**32 - 1 - MAX_UNIQUE - 1024  # the header's length has 32 bits, and the names need room as well

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
    """A job, checked and encoded.

    Attributes:
        packet: The SUBMIT_JOB* packet.
        function: The function's name on the wire.
        unique: The unique on the wire.
        key: Two jobs of the function with the same key are the same job, and must go to the same server. It is the
            unique, or the workload; empty if any server will do.
        background: True for a background job, which returns no result.
        resubmits: As in `JobRequest`.
        option: The OPTION_REQ packet that goes ahead of it to servers that know the option, or empty.
    """

    packet: bytes
    function: bytes
    unique: bytes
    key: bytes
    background: bool
    resubmits: int
    option: bytes = b""


def plain_submission(
    function: Text, unique: Text | None, workload: bytes, priority: Priority, *, background: bool
) -> Submission:
    """Return the submission of a job to one server, that has no other options.

    Raises:
        LocalProtocolError: A name is too long or contains a NUL byte, or the workload is too large.
    """
    check_size(workload)
    name = function_bytes(function)
    chosen = chosen_unique(unique, background=background)
    packet = plain_packet(name, chosen, workload, priority, background=background)
    return Submission(packet, name, chosen, b"", background, 0)


def plain_packet(function: bytes, unique: bytes, workload: bytes, priority: Priority, *, background: bool) -> bytes:
    """Return the SUBMIT_JOB packet for a priority, in the foreground or background."""
    return request((_BACKGROUND if background else _FOREGROUND)[priority], function, unique, workload)


def check_size(workload: bytes) -> None:
    """Check that a packet can carry a workload.

    Raises:
        LocalProtocolError: It is too large.
    """
    if len(workload) > _LARGEST_WORKLOAD:
        raise LocalProtocolError(f"a workload may have {_LARGEST_WORKLOAD} bytes, not {len(workload)}")


def chosen_unique(unique: Text | None, *, background: bool) -> bytes:
    """Return the unique on the wire of a job that has one, or none.

    Raises:
        LocalProtocolError: The unique is too long or contains a NUL byte.
    """
    if unique is None:
        # The C server stores background jobs by function and unique: without a unique they overwrite each other.
        return os.urandom(16).hex().encode() if background else b""
    return unique_bytes(unique)


def unique_bytes(unique: Text) -> bytes:
    """Return a unique on the wire.

    Raises:
        LocalProtocolError: The unique is too long or contains a NUL byte.
    """
    encoded = encode(unique, "a unique")
    if len(encoded) > MAX_UNIQUE or b"\0" in encoded:
        raise LocalProtocolError(f"a unique has up to {MAX_UNIQUE} bytes without NUL, not {encoded!r:.200}")
    return encoded
