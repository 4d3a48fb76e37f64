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
        "most memory for jobs and connections; when it is used up, new jobs are rejected; 0: no limit",
        reloadable=True,
        details="This counts jobs, functions, unfinished packets and unsent replies. A rejected job gets an ERROR that "
        "names the limit. Accepted jobs stay. If that is not enough, the server closes the connection that uses most "
        "memory. The default leaves room for the interpreter, and for memory that is freed later.",
        example="2G",
        default_text="three quarters of the machine's memory, or of the control group's",
    )
    max_pending: int = option(
        256 << 20,
        SIZE,
        Group.LIMITS,
        "most data that may wait to be stored; when there is more, background jobs are rejected",
        details="The server keeps workloads in memory until they are stored. If the store is slower than the clients, "
        "they pile up.",
        example="1G",
    )
    packet_timeout: float = option(
        60.0,
        SECONDS,
        Group.LIMITS,
        "seconds for a client or worker to send a whole packet; large packets have more time; 0: no limit",
        reloadable=True,
        details="Each 64K of the packet add one second. If the packet is not complete then, the connection is closed. "
        "This stops programs that send the beginning of a packet and then nothing.",
        example="30",
    )
    # A function takes one or two kilobytes, and what is done for all functions takes a tenth of a second.
    max_functions: int = option(
        100_000,
        number(0),
        Group.LIMITS,
        "maximum number of functions; 0: no limit",
        reloadable=True,
        details="When it is reached, the server rejects jobs and registrations of further functions. This keeps a "
        "program that generates function names from filling the memory.",
        example="10000",
    )
    # A function that is used once a day exists all the time.
    function_expiry: float = option(
        2 * 86400.0,
        SECONDS,
        Group.LIMITS,
        "seconds until an unused function is forgotten; 0: never",
        reloadable=True,
        details="A function is unused if it has no worker, no job and no limit set by gearadmin --maxqueue. With the "
        "default of two days, a function that is used once a day stays.",
        example="3600",
    )
    max_jobs_per_connection: int = option(
        0,
        number(0),
        Group.LIMITS,
        "maximum number of jobs whose results one connection waits for; 0: no limit",
        reloadable=True,
        details="This stops a client that submits in a loop without reading results. Background jobs do not count.",
        example="1000",
    )

    max_wrong_tokens: int = option(
        3,
        number(1),
        Group.ACCESS,
        "close a connection after this number of wrong tokens",
        reloadable=True,
        details="A client cannot try many tokens on one connection.",
        example="1",
    )
    text_reads: Who = option(
        Who.ALL,
        _WHO,
        Group.ACCESS,
        "connections that may use text commands that only read: all, local (from this machine) or admin (with the "
        "right admin)",
        reloadable=True,
        details="These commands, such as status and workers, show the names of functions, the addresses of workers and "
        "the number of jobs. Access rules give the right admin; without rules, everyone has it. The command version "
        "is always allowed, as a health check.",
        example="local",
    )
    text_changes: Who = option(
        Who.ADMIN,
        _WHO,
        Group.ACCESS,
        "connections that may use text commands that change something: all, local (from this machine) or admin (with "
        "the right admin)",
        reloadable=True,
        details="These commands create and drop functions, limit queues, cancel jobs and stop the server. Access rules "
        "give the right admin; without rules, everyone has it.",
        example="local",
    )
    access: AccessRules | None = setting(None, reloadable=True)

    job_retries: int = option(
        -1,
        number(-1, 255),
        Group.JOBS,
        "give up a job after this number of its workers died, disconnected or took too long; -1: never",
        short="j",
        details="If a worker disconnects or exceeds a timeout while it runs a job, the job goes to another worker. "
        "After this number of workers it fails instead. 0 and 1 both mean one attempt, as in the C server.",
        example="3",
    )
    job_handle_prefix: str = option(
        _default_handle_prefix(),
        Kind("TEXT", _handle_prefix),
        Group.JOBS,
        "prefix of the handles of jobs",
        details="A handle is the prefix, a colon and a number, such as H:queue1:17. Two servers never make the same "
        "handle if they have different prefixes. The default contains the host name.",
        example="H:queue1",
        default_text="H:hostname",
    )
    timezone: str = option(
        _UTC,
        Kind("ZONE", _zone),
        Group.JOBS,
        "time zone of repeating jobs that name none, such as Europe/Berlin",
        details="The times in a cron line are local times in this zone, also when daylight saving time begins or ends. "
        "Delayed jobs have a fixed time, which does not depend on the zone.",
        example="Europe/Berlin",
    )
    exceptions: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "send exceptions to all clients, even if they did not ask for them",
        details="A client asks for exceptions with the packet OPTION_REQ. Clients in C usually do not. Without this "
        "option, a client that did not ask only learns that its job failed.",
    )
    worker_wakeup: int = option(
        1,
        number(0, 255),
        Group.JOBS,
        "number of sleeping workers to wake for each job; 0: all",
        short="w",
        details="The C server wakes all sleeping workers of a function for each job, which is expensive with hundreds "
        "of workers. If a woken worker does not grab the job, the server wakes the others after --rearm-after.",
        example="0",
    )
    rearm_after: float = option(
        1.0,
        SECONDS,
        Group.JOBS,
        "if a woken worker does not grab the job within this number of seconds, wake all others",
        details="A woken worker may hang. Then the other sleeping workers of the function get a chance.",
        example="0.5",
    )
    job_timeout: float = option(
        0.0,
        SECONDS,
        Group.JOBS,
        "seconds that a job may run; then another worker gets it; 0: no limit",
        details="A worker can set another time for a function with the packet CAN_DO_TIMEOUT. If the slow worker sends "
        "a result after all, that result counts.",
        example="3600",
    )
    probe_after: float = option(
        0.0,
        SECONDS,
        Group.JOBS,
        "check that a worker still answers when it has slept for this number of seconds; 0: never",
        details="The log names workers that do not answer, and the server wakes other workers in their place.",
        example="300",
    )
    stall_after: float = option(
        10.0,
        SECONDS,
        Group.JOBS,
        "seconds until a function whose jobs no worker grabs is reported as stalled; 0: never",
        details="The log has one line for each stalled function. gearadmin --stalls lists them with the reason.",
        example="60",
    )
    stall_busy_after: float = option(
        600.0,
        SECONDS,
        Group.JOBS,
        "like --stall-after, for a function whose workers are all busy; 0: never",
        details="It is normal that jobs wait while all workers run other jobs. The server reports it only after this "
        "longer time.",
        example="3600",
    )
    priority_scope: PriorityScope = option(
        PriorityScope.GLOBAL,
        choice(PriorityScope, "SCOPE"),
        Group.JOBS,
        "priorities compare jobs of all functions of a worker (global), or only jobs of the same function (function)",
        details="With global, a worker gets the job with the highest priority, whichever of its functions that job is "
        "for. With function, a worker gets jobs of the function that it registered first, as long as there are any, as "
        "in gearmand 1.1.",
        example="function",
    )
    round_robin: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "with --priority-scope function: a worker gets jobs of its functions in turn",
        short="R",
        details="Without this option, a worker gets jobs of the function that it registered first, as long as there "
        "are any. With --priority-scope global the option has no effect: functions with jobs of equal priority always "
        "take turns.",
    )
    allow_shutdown: bool = option(
        False,
        FLAG,
        Group.JOBS,
        "obey gearadmin --shutdown from this machine",
        details="It is off by default, because it lets every local user stop the server.",
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
