# SPDX-License-Identifier: MIT
"""Options of jobs, which the core reads: their declaration, and the core's own options made from them."""

# ruff: noqa: RUF009  # option() and setting() return dataclass fields
import os
from dataclasses import dataclass, fields

from geartrain._version import __version__
from geartrain.core import Durability, JobServerOptions, PriorityScope, Who
from geartrain.core.access import AccessRules
from geartrain.core.zones import find_zone
from geartrain.server.config.kinds import FLAG, SECONDS, SIZE, SIZE_OR_NONE, Kind, choice, number
from geartrain.server.config.option import Group, option, setting
from geartrain.server.memory import available_memory

__all__ = ["JobOptions", "core_options"]

_UTC = "UTC"

# A handle may have 63 characters (protocol 8); this leaves ten digits for the number behind the colon.
_MAX_HANDLE_PREFIX = 52


def _handle_prefix(text: str) -> str:
    if not 0 < len(text.encode()) <= _MAX_HANDLE_PREFIX or not text.isprintable() or " " in text:
        raise ValueError(f"1 to {_MAX_HANDLE_PREFIX} printable bytes without spaces")
    return text


def _default_handle_prefix() -> str:
    name = "".join(letter for letter in os.uname().nodename if letter.isprintable() and letter != " ")
    return f"H:{name}"[:_MAX_HANDLE_PREFIX]


def _zone(text: str) -> str:
    try:
        find_zone(text)
    except ValueError:
        raise ValueError("the name of a time zone, such as UTC or Europe/Berlin,") from None
    return text


_WHO = choice(Who, "WHO")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Options with the names that they have in `JobServerOptions`, and a few that have another type here."""

    max_memory: int = option(
        available_memory() // 4 * 3,
        SIZE_OR_NONE,
        Group.LIMITS,
        "most memory for jobs, unfinished packets and unsent replies; beyond it, new jobs are rejected, and the "
        "connection that uses most may be closed; 0: no limit",
        reloadable=True,
        details="Accepted jobs stay. A rejected job gets an ERROR that names the limit. The default leaves room for "
        "the interpreter, and for memory that is freed later.",
        example="2G",
        default_text="three quarters of the memory of the machine or the control group",
    )
    max_pending: int = option(
        256 << 20,
        SIZE,
        Group.LIMITS,
        "most bytes of workloads that may wait for a slow store; beyond it, background jobs are rejected",
        details="The server keeps workloads in memory until they are stored.",
        example="1G",
    )
    packet_timeout: float = option(
        60.0,
        SECONDS,
        Group.LIMITS,
        "seconds for a peer to complete a packet, plus one for each 64K of it; 0: no limit",
        reloadable=True,
        details="A peer that sends the beginning of a packet and stops takes up memory. Its connection is closed.",
        example="30",
    )
    # A function takes one or two kilobytes, and what is done for all functions takes a tenth of a second.
    max_functions: int = option(
        100_000,
        number(0),
        Group.LIMITS,
        "maximum number of functions; beyond it, registrations and jobs of new functions are rejected",
        reloadable=True,
        details="This keeps a program that generates function names from filling the memory. 0 is no limit.",
        example="10000",
    )
    # A function that is used once a day exists all the time.
    function_expiry: float = option(
        2 * 86400.0,
        SECONDS,
        Group.LIMITS,
        "seconds until a function without workers, jobs and limits is forgotten",
        reloadable=True,
        details="With the default of two days, a function that is used once a day never expires. 0 keeps all "
        "functions.",
        example="3600",
    )
    max_jobs_per_connection: int = option(
        0,
        number(0),
        Group.LIMITS,
        "maximum number of jobs that one connection may wait for",
        reloadable=True,
        details="This stops a client that submits in a loop without reading results.",
        example="1000",
    )

    max_wrong_tokens: int = option(
        3,
        number(1),
        Group.ACCESS,
        "wrong tokens until a connection is closed",
        reloadable=True,
        details="A client cannot try many tokens on one connection.",
        example="1",
    )
    text_reads: Who = option(
        Who.ALL,
        _WHO,
        Group.ACCESS,
        "peers that may use text commands that only read: all, local (this machine) or admin (by an access rule)",
        reloadable=True,
        details="These commands show the names of functions, the addresses of workers and the number of jobs. The "
        "command version is always open to all, as a health check.",
        example="local",
    )
    text_changes: Who = option(
        Who.ADMIN,
        _WHO,
        Group.ACCESS,
        "peers that may use text commands that change something: all, local or admin; without rules, admin means all",
        reloadable=True,
        details="These commands create and drop functions, limit queues, cancel jobs and stop the server.",
        example="local",
    )
    access: AccessRules | None = setting(None, reloadable=True)

    job_retries: int = option(
        -1,
        number(-1, 255),
        Group.JOBS,
        "number of lost workers after which a job fails; -1: no limit",
        short="j",
        details="When a worker disconnects or exceeds a timeout, its job goes to another worker. After it has "
        "lost this number of workers, the job fails. 0 and 1 both mean one attempt, as in the C server.",
        example="3",
    )
    job_handle_prefix: str = option(
        _default_handle_prefix(),
        Kind("TEXT", _handle_prefix),
        Group.JOBS,
        "prefix of job handles",
        details="Handles are unique across servers only if the servers have different prefixes. The default contains "
        "the host name. A colon and a running number follow the prefix.",
        example="H:queue1",
        default_text="H:hostname",
    )
    timezone: str = option(
        _UTC,
        Kind("ZONE", _zone),
        Group.JOBS,
        "time zone of the cron lines of repeating jobs that name none, such as Europe/Berlin",
        details="A cron line is a time of day, so daylight saving time matters. The fixed time of a delayed job does "
        "not depend on the zone.",
        example="Europe/Berlin",
    )
    exceptions: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "send exceptions to all clients, even if they did not ask for them",
        details="A client asks for exceptions with OPTION_REQ; C clients do not. A client that has not asked gets a "
        "failure instead of the exception.",
    )
    worker_wakeup: int = option(
        1,
        number(0, 255),
        Group.JOBS,
        "sleeping workers to wake for each job; 0: all",
        short="w",
        details="The C server wakes all sleeping workers of a function for each job, which is expensive with hundreds "
        "of workers. If a woken worker does not grab the job, the server wakes the others after --rearm-after.",
        example="0",
    )
    rearm_after: float = option(
        1.0,
        SECONDS,
        Group.JOBS,
        "seconds for a woken worker to grab a job before others are woken",
        details="A woken worker may hang. After this time, the server wakes all other sleeping workers of the "
        "function.",
        example="0.5",
    )
    job_timeout: float = option(
        0.0,
        SECONDS,
        Group.JOBS,
        "seconds until a running job is given to another worker; 0: never",
        details="A worker can override it for a function with CAN_DO_TIMEOUT. If the slow worker sends a result after "
        "all, that result counts.",
        example="3600",
    )
    probe_after: float = option(
        0.0,
        SECONDS,
        Group.JOBS,
        "seconds that a worker may sleep until the server checks that it still answers; 0: never",
        details="The log names workers that do not answer, and the server no longer counts on them.",
        example="300",
    )
    stall_after: float = option(
        10.0,
        SECONDS,
        Group.JOBS,
        "seconds that jobs may wait until their queue is reported as stalled; 0: never",
        details="The log has one line for each stalled function, and gearadmin --stalls lists them with the reason.",
        example="60",
    )
    stall_busy_after: float = option(
        600.0,
        SECONDS,
        Group.JOBS,
        "the same while all workers are busy with other jobs; 0: never",
        details="It is normal that jobs wait for busy workers, unless that lasts.",
        example="3600",
    )
    priority_scope: PriorityScope = option(
        PriorityScope.GLOBAL,
        choice(PriorityScope, "SCOPE"),
        Group.JOBS,
        "scope of priorities: all functions of a worker together (global), or each function on its own as in gearmand "
        "1.1 (function)",
        details="With global, a worker of several functions gets the job with the highest priority among all of them. "
        "With function, it gets a job of its first function that has one, regardless of priority.",
        example="function",
    )
    round_robin: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "take jobs from a worker's functions in turn; always the case with global priorities",
        short="R",
        details="With --priority-scope function and without this option, a worker gets jobs of its first function as "
        "long as that has any.",
    )
    allow_shutdown: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "allow the text command shutdown from this machine",
        details="It is off by default, because it lets every local user stop the server. gearadmin --shutdown sends "
        "the command.",
    )


def core_options(options: JobOptions, *, verbosity: str, durability: Durability) -> JobServerOptions:
    """Return the options of the core: those of the same name, and what the core cannot find out itself.

    Args:
        options: The options of the server.
        verbosity: The answer to the text command ``verbose``.
        durability: When background jobs are stored; never, if the server has no store.
    """
    values = {found.name: getattr(options, found.name) for found in fields(JobServerOptions) if found.name in _SHARED}
    return JobServerOptions(
        **values,
        handle_prefix=options.job_handle_prefix.encode(),
        timezone=find_zone(options.timezone),
        version=__version__,
        pid=os.getpid(),
        verbosity=verbosity,
        durability=durability,
    )


# The options that the core takes as they are. `timezone` is a name here, and an object there.
_SHARED = {found.name for found in fields(JobOptions)} - {"timezone"}
