# SPDX-License-Identifier: MIT
"""What can be chosen about the decisions of a job server."""

import enum
from dataclasses import dataclass
from datetime import UTC, tzinfo

from geartrain.core.access import AccessRules

__all__ = ["Durability", "JobServerOptions", "PriorityScope", "Who"]


class PriorityScope(enum.Enum):
    """How far a priority reaches when a worker can do several functions (protocol 1.10)."""

    GLOBAL = "global"  # over all functions of the worker, round robin among equals: gearmand 2.0
    FUNCTION = "function"  # within its function only, the functions in the order of the worker's list: gearmand 1.1


class Durability(enum.Enum):
    """When a background job is safe from the end of its server."""

    COMMIT = "commit"  # before its client hears that it was taken
    RELAXED = "relaxed"  # soon after
    SHUTDOWN = "shutdown"  # when the server is stopped in good form; it is lost with a server that is killed
    NONE = "none"  # never


class Who(enum.Enum):
    """Who may use text commands."""

    ALL = "all"
    LOCAL = "local"  # whoever connects from this machine
    ADMIN = "admin"  # whom a rule gives the right; all, as long as there are no rules


@dataclass(frozen=True, slots=True, kw_only=True)
class JobServerOptions:
    """The choices, with the defaults of gearmand 2.0 where it is sane.

    Attributes:
        handle_prefix: What comes before the colon and the number in a job's handle.
        version: What ``version`` answers.
        pid: What ``getpid`` answers.
        verbosity: What ``verbose`` answers.
        worker_wakeup: How many sleeping workers are woken for each waiting job; 0 for all of them.
        rearm_after: Seconds that a woken worker has to grab before all other sleepers of the function are woken.
        job_retries: How many lost workers a job survives; -1 for any number. 0 and 1 both end it at the first loss.
        exceptions: Forward exceptions to every client, whether it asked for them or not.
        priority_scope: How far a priority reaches.
        round_robin: With `PriorityScope.FUNCTION`: a function that was served goes to the end of the worker's list.
        allow_shutdown: Obey the text command ``shutdown`` from local peers.
        durability: When background jobs are stored. It takes somebody who carries the records of `JobServer.journal`
            to a store, or else no reply to a background job ever leaves.
        max_pending: Bytes of workloads that may wait for the store before new background jobs are refused.
        timezone: The time zone of cron lines.
        job_timeout: Seconds that a job may run at a worker that named no time of its own, by CAN_DO; 0 for any time.
        max_memory: The most bytes that jobs may take, as far as it depends on their clients; 0 for any number.
        max_functions: The most functions there may be; 0 for any number.
        function_expiry: Seconds without a worker or job after which a function is forgotten; 0 for never.
        max_jobs_per_connection: The most jobs that a connection may wait for; 0 for any number.
        probe_after: Seconds that a worker may sleep before it is asked whether it is there; 0 for any time.
        stall_after: Seconds that jobs may wait while a worker is free before their queue stands still; 0 for any time.
        stall_busy_after: The same while all workers hold jobs.
        access: Who may do what with which functions; None for everybody everything.
        text_reads: Who may use text commands that only tell something.
        text_changes: Who may use those that change something.
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
    max_functions: int = 0
    function_expiry: float = 0.0
    max_jobs_per_connection: int = 0
    probe_after: float = 0.0
    stall_after: float = 0.0
    stall_busy_after: float = 600.0
    access: AccessRules | None = None
    text_reads: Who = Who.ALL
    text_changes: Who = Who.ADMIN
