# SPDX-License-Identifier: MIT
"""Options of jobs, which the core reads: their declaration, and the core's own options made from them."""

# ruff: noqa: RUF009  # option() and setting() return dataclass fields
import os
from dataclasses import dataclass, fields
from zoneinfo import ZoneInfo

from geartrain._version import __version__
from geartrain.core import Durability, JobServerOptions, PriorityScope, Who
from geartrain.core.access import AccessRules
from geartrain.server.config.kinds import FLAG, SECONDS, SIZE, SIZE_OR_NONE, Kind, choice, number
from geartrain.server.config.option import Group, option, setting
from geartrain.server.memory import available_memory

__all__ = ["JobOptions", "core_options"]

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
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):
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
        "most memory for jobs, unfinished packets and unsent replies; more jobs are rejected, accepted ones stay, and "
        "the peer that holds most is dropped; 0: no limit",
        reloadable=True,
        details="A job beyond the limit is rejected with an ERROR that names it. The limit leaves room for the "
        "interpreter, and for memory that is freed later.",
        example="2G",
        default_text="three quarters of the memory of the machine or the control group",
    )
    max_pending: int = option(
        256 << 20,
        SIZE,
        Group.LIMITS,
        "most workloads that may wait for a slow store; more background jobs are rejected",
        details="Workloads that are accepted but not stored are kept in memory. While the store is slow or away, "
        "further background jobs are rejected.",
        example="1G",
    )
    packet_timeout: float = option(
        60.0,
        SECONDS,
        Group.LIMITS,
        "seconds that an unfinished packet may take, and one more for each 64K of it; 0: any time",
        reloadable=True,
        details="A peer that sends the beginning of a packet and stops keeps memory without a reason.",
        example="30",
    )
    # A function takes one or two kilobytes, and what is done for all functions takes a tenth of a second.
    max_functions: int = option(
        100_000,
        number(0),
        Group.LIMITS,
        "most functions; workers and clients of new ones are rejected",
        reloadable=True,
        details="It keeps a program that makes up function names from filling the memory. 0 is no limit.",
        example="10000",
    )
    # A function that is used once a day exists all the time.
    function_expiry: float = option(
        2 * 86400.0,
        SECONDS,
        Group.LIMITS,
        "seconds after which a function without workers, jobs and limits is forgotten",
        reloadable=True,
        details="A function that is used once a day exists all the time by default. 0 keeps all functions.",
        example="3600",
    )
    max_jobs_per_connection: int = option(
        0,
        number(0),
        Group.LIMITS,
        "most jobs that one connection may wait for",
        reloadable=True,
        details="A client in a loop that submits without reading results is stopped by it.",
        example="1000",
    )

    max_wrong_tokens: int = option(
        3,
        number(1),
        Group.ACCESS,
        "wrong tokens after which a connection is closed",
        reloadable=True,
        details="Tokens cannot be guessed one after the other on one connection.",
        example="1",
    )
    text_reads: Who = option(
        Who.ALL,
        _WHO,
        Group.ACCESS,
        "peers that may use text commands that change nothing: all, local (from this machine) or admin (by a rule that "
        "gives that right)",
        reloadable=True,
        details="Text commands show the names of functions, the addresses of workers and the number of jobs. The "
        "command version is open to all, as a sign of life.",
        example="local",
    )
    text_changes: Who = option(
        Who.ADMIN,
        _WHO,
        Group.ACCESS,
        "peers that may use those that change something; without rules, admin means all",
        reloadable=True,
        details="These commands create and drop functions, limit queues, cancel jobs and stop the server.",
        example="local",
    )
    access: AccessRules | None = setting(None, reloadable=True)

    job_retries: int = option(
        -1,
        number(-1, 255),
        Group.JOBS,
        "lost workers that a job survives; -1: any number, 0: none",
        short="j",
        details="A job whose worker disconnects, or runs into a timeout, is given to another worker, unless it has "
        "lost more workers than this number. 0 and 1 both end it at the first loss, as in gearmand.",
        example="3",
    )
    job_handle_prefix: str = option(
        _default_handle_prefix(),
        Kind("TEXT", _handle_prefix),
        Group.JOBS,
        "text before the number in a job's handle",
        details="A handle is unique among servers only if their prefixes differ. The default contains the name of the "
        "host. A running number follows behind a colon.",
        example="H:queue1",
        default_text="H:hostname",
    )
    timezone: str = option(
        "UTC",
        Kind("ZONE", _zone),
        Group.JOBS,
        "time zone of cron lines, such as Europe/Berlin, for repeating jobs",
        details="Cron lines are times of day, so summer time matters. Jobs for a given second do not depend on it.",
        example="Europe/Berlin",
    )
    exceptions: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "send exceptions to every client, also if it did not ask for them",
        details="A client asks for exceptions with the option exceptions; gearmand's C clients do not. Without it an "
        "exception reaches a client as a failure.",
    )
    worker_wakeup: int = option(
        1,
        number(0, 255),
        Group.JOBS,
        "sleeping workers to wake for each job; 0: all of them",
        short="w",
        details="gearmand wakes all sleeping workers of a function for each job, which costs much with hundreds of "
        "them. If a woken worker does not come, --rearm-after wakes the others.",
        example="0",
    )
    rearm_after: float = option(
        1.0,
        SECONDS,
        Group.JOBS,
        "seconds that a woken worker has before others are woken instead",
        details="A worker that was woken may hang. After this time all other sleeping workers of the function are "
        "woken.",
        example="0.5",
    )
    job_timeout: float = option(
        0.0,
        SECONDS,
        Group.JOBS,
        "seconds until another worker gets a job, unless its worker named a time; 0: never",
        details="A worker can register a function with a timeout of its own, by CAN_DO_TIMEOUT, which overrides this "
        "one. A job that runs for longer is given to another worker. If the slow worker sends a result all the same, "
        "it counts.",
        example="3600",
    )
    probe_after: float = option(
        0.0,
        SECONDS,
        Group.JOBS,
        "seconds that a worker may sleep before it is woken to see whether it still answers; 0: any time",
        details="The log names workers that do not answer, and the server does not count on them.",
        example="300",
    )
    stall_after: float = option(
        10.0,
        SECONDS,
        Group.JOBS,
        "seconds that jobs may wait for a free worker before that is reported; 0: never",
        details="The report is a line in the log for each function, and gearadmin --stalls lists them with the reason.",
        example="60",
    )
    stall_busy_after: float = option(
        600.0,
        SECONDS,
        Group.JOBS,
        "the same if all workers are busy with other jobs; 0: never",
        details="Jobs that wait while all workers are busy are no fault, unless that lasts.",
        example="3600",
    )
    priority_scope: PriorityScope = option(
        PriorityScope.GLOBAL,
        choice(PriorityScope, "SCOPE"),
        Group.JOBS,
        "reach of priorities: all functions of a worker (global) or, as in gearmand 1.1, each of them (function)",
        details="With global, a worker of several functions gets the job of the highest priority among all of them. "
        "With function, its first function with a waiting job comes first, regardless of priorities.",
        example="function",
    )
    round_robin: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "serve a worker's functions in turn; with global priorities they always are",
        short="R",
        details="With --priority-scope function, a worker of several functions would otherwise be served from the "
        "first of them as long as it has jobs.",
    )
    allow_shutdown: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "obey 'shutdown [graceful]' from this machine",
        details="Every local user could stop the server with it, so it is off by default. gearadmin --shutdown sends "
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
        timezone=ZoneInfo(options.timezone),
        version=__version__,
        pid=os.getpid(),
        verbosity=verbosity,
        durability=durability,
    )


# The options that the core takes as they are. `timezone` is a name here, and an object there.
_SHARED = {found.name for found in fields(JobOptions)} - {"timezone"}
