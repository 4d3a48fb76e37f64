# SPDX-License-Identifier: MIT
"""What travels between a job server and its store."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Batch", "JobRecord"]


class JobRecord(NamedTuple):
    """What survives of a background job when its server does not: all that its next server must know.

    Attributes:
        number: Tells jobs apart; it only ever grows, so it is also their order. The number in the handle, too, unless
            the job came from elsewhere.
        handle: The handle, which the job keeps.
        function: The function's name; any bytes.
        unique: The unique; empty for none.
        priority: As `geartrain.Priority` has it.
        workload: The workload.
        run_at: Seconds since 1970 before which the job is not started, or 0.
        retries: How many workers it has lost.
        reducer: The reducer of a reduce job, or empty.
        schedule: The five fields of a cron line if the job repeats itself, or empty.
        owner: Which server the job belongs to, where several share a store.
    """

    number: int
    handle: bytes
    function: bytes
    unique: bytes
    priority: int
    workload: bytes
    run_at: int = 0
    retries: int = 0
    reducer: bytes = b""
    schedule: bytes = b""
    owner: str = ""


class Batch(NamedTuple):
    """What a store is told at once; it takes all of it or nothing.

    Attributes:
        stored: Jobs to be kept; one whose number is known replaces what was known of it.
        finished: Numbers of jobs to be forgotten; some of them may not be known.
        reserve: Numbers below this one may be in use, whether their jobs are known or not; 0 if that has not changed.
    """

    stored: Sequence[JobRecord] = ()
    finished: Sequence[int] = ()
    reserve: int = 0
