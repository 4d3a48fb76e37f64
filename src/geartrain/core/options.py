# SPDX-License-Identifier: MIT
"""Options and limits of the decisions of a job server."""

import enum
from dataclasses import dataclass
from datetime import UTC, tzinfo

from geartrain.core.access import AccessRules

__all__ = ["Durability", "JobServerOptions", "PriorityScope", "Who"]


class PriorityScope(enum.Enum):
    """The scope of priorities for a worker with several functions (protocol 1.10)."""

    GLOBAL = "global"  # over all functions of the worker, round robin among equals: gearmand 2.0
    FUNCTION = "function"  # within its function only, the functions in the order of the worker's list: gearmand 1.1


class Durability(enum.Enum):
    """The time at which a background job is stored."""

    COMMIT = "commit"  # before its client gets JOB_CREATED
    RELAXED = "relaxed"  # soon after
    SHUTDOWN = "shutdown"  # at a regular shutdown; it is lost if the server is killed
    NONE = "none"  # never


class Who(enum.Enum):
    """The peers that may use text commands."""

    ALL = "all"
    LOCAL = "local"  # peers that connect from this machine
    ADMIN = "admin"  # peers to which a rule gives the right; all peers while there are no rules


@dataclass(frozen=True, slots=True, kw_only=True)
class JobServerOptions:
    """Options of the core; the defaults are those of gearmand 2.0 where they are safe.

    Attributes:
        handle_prefix: The part of a job's handle before the colon and the number.
        version: The answer to ``version``.
        pid: The answer to ``getpid``.
        verbosity: The answer to ``verbose``.
        worker_wakeup: Number of sleeping workers that are woken for each waiting job; 0 for all of them.
        rearm_after: Seconds that a woken worker has to grab before all other sleepers of the function are woken.
        job_retries: Attempts that a job has when workers are lost, as gearmand counts them; -1 for any number. 0 and 1
            both end it at the first loss.
        exceptions: Forward exceptions to every client, even if it did not ask for them.
        priority_scope: The scope of priorities for a worker with several functions.
        round_robin: With `PriorityScope.FUNCTION`: a function that was served goes to the end of the worker's list.
        allow_shutdown: Obey the text command ``shutdown`` from local peers.
        durability: The time at which background jobs are stored. With a store, the shell must commit the batches of
            `JobServer.commit_queue`, or replies to background submissions are never sent.
        max_pending: Bytes of workloads that may wait for the store before new background jobs are refused.
        timezone: The time zone of cron lines.
        job_timeout: Seconds that a job may run at a worker that set no timeout of its own; 0 for no limit.
        max_memory: The maximum memory of jobs in bytes, as far as it depends on their clients; 0 for no limit.
        packet_timeout: Seconds that an unfinished packet may take, and one more for each 64 KiB; 0 for no limit.
        max_functions: The maximum number of functions; 0 for no limit.
        function_expiry: Seconds without a worker or job after which a function is removed; 0 for never.
        max_jobs_per_connection: The maximum number of jobs that a connection may wait for; 0 for no limit.
        probe_after: Seconds that a worker may sleep before it is probed; 0 for no probes.
        stall_after: Seconds that jobs may wait while a worker is idle before their queue is stalled; 0 for never.
        stall_busy_after: The same while all workers run jobs.
        access: The rules of access to functions; None gives every peer all rights.
        max_wrong_tokens: The wrong tokens after which a connection is closed.
        text_reads: The peers that may use text commands that only read.
        text_changes: The peers that may use text commands that change something.
    """

    handle_prefix: bytes = b"H:localhost"
    version: str = "0"
    pid: int = 0
    verbosity: str = "ERROR"
    worker_wakeup: int = 1
    rearm_after: float = 1.0
    job_retries: int = -1
    exceptions: bool = False
    priority_scope: PriorityScope = PriorityScope.GLOBAL
    round_robin: bool = False
    allow_shutdown: bool = False
    durability: Durability = Durability.NONE
    max_pending: int = 256 * 1024 * 1024
    timezone: tzinfo = UTC
    job_timeout: float = 0.0
    max_memory: int = 0
    packet_timeout: float = 0.0
    max_functions: int = 0
    function_expiry: float = 0.0
    max_jobs_per_connection: int = 0
    probe_after: float = 0.0
    stall_after: float = 0.0
    stall_busy_after: float = 600.0
    access: AccessRules | None = None
    max_wrong_tokens: int = 3
    text_reads: Who = Who.ALL
    text_changes: Who = Who.ADMIN
