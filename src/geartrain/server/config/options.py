# SPDX-License-Identifier: MIT
"""Every option of the server.

`ServerOptions` is what the `Server` object needs; `GearmandOptions` adds what concerns the process around it.
"""

# ruff: noqa: RUF009  # option() and several() return dataclass fields
import difflib
import os
from dataclasses import dataclass

from geartrain.core.access import AccessRules
from geartrain.core.options import Durability, PriorityScope, Who
from geartrain.protocol.parser import MAX_LINE, MAX_PACKET
from geartrain.server.config import values
from geartrain.server.config.option import Option, option, options_of, several
from geartrain.server.config.queues import QUEUE_GROUP, QueueOptions
from geartrain.server.config.values import FILE, FLAG, SECONDS, SIZE, OptionError, number
from geartrain.server.endpoints import Endpoint
from geartrain.server.logs import Level, LogFormat
from geartrain.server.tls import Verify

__all__ = ["COMMANDS", "GROUPS", "OPTIONS", "GearmandOptions", "ServerOptions", "unknown_option"]

GENERAL = "General"
NETWORK = "Network"
LIMITS = "Limits (0: none)"
TLS = "TLS"
ACCESS = "Access (its rules are in the TOML file)"
JOBS = "Jobs"
STORE = "Store"
LOG = "Log"
PROCESS = "Process"
COMPATIBLE = "Accepted for compatibility"
GROUPS = (GENERAL, NETWORK, LIMITS, TLS, ACCESS, JOBS, STORE, QUEUE_GROUP, LOG, PROCESS, COMPATIBLE)


def _handle_prefix() -> str:
    name = "".join(letter for letter in os.uname().nodename if letter.isprintable() and letter != " ")
    return f"H:{name}"[: values.MAX_HANDLE_PREFIX]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What can be chosen about a `Server`."""

    port: int = option(
        4730, values.PORT, NETWORK, "port to listen on: a number, 0 for any free one, or a service's name", short="p"
    )
    listen: tuple[Endpoint, ...] = several(
        values.ENDPOINT,
        NETWORK,
        "where to listen: a host, host:port, [address]:port or unix:/path; may be repeated [all addresses]",
        short="L",
    )
    backlog: int = option(
        1024,
        number(1, 65535),
        NETWORK,
        "connections that may wait to be accepted, as far as the system allows",
        short="b",
    )
    # Something else may hold the port for a moment: a predecessor that has just been told to stop takes up to two
    # seconds. Whoever else holds it will not go away, and should be reported soon.
    bind_timeout: float = option(3.0, SECONDS, NETWORK, "how long to try again while an address is in use")
    # A path dies without a word more often than with one. Two minutes survive the reboot of a switch and are what the
    # jobs of a lost worker wait: 60 s until the first question, then four of them, 15 s apart. The limits are Linux's.
    keepalive_idle: int = option(
        60, number(-1, 32767), NETWORK, "seconds of silence before a peer is asked; -1: the system's"
    )
    keepalive_interval: int = option(15, number(-1, 32767), NETWORK, "seconds between such questions; -1: the system's")
    keepalive_count: int = option(
        4, number(-1, 127), NETWORK, "questions until a silent peer is lost; -1: the system's"
    )
    user_timeout: float = option(
        120.0, SECONDS, NETWORK, "seconds until a peer that does not acknowledge what was sent is lost; 0: the system's"
    )
    # As long as a worker has, by default, to end its jobs when it is told to stop.
    drain_timeout: float = option(
        30.0, SECONDS, NETWORK, "seconds that running jobs have to end when the server is told to stop; 0: none"
    )
    max_packet_size: int = option(MAX_PACKET, SIZE, NETWORK, "largest packet accepted; K, M and G are understood")
    # What a peer does not read has to wait somewhere. A thousand times the usual large result is a peer that is stuck.
    max_unsent: int = option(
        1 << 30, SIZE, NETWORK, "most that may wait for a peer that does not read; it is then closed"
    )

    max_memory: int = option(
        0, values.SIZE_OR_ANY, LIMITS, "most memory for jobs; what would be more is refused, and what is there stays"
    )
    max_connections: int = option(0, number(0), LIMITS, "most connections; four more of this machine may ask in text")
    max_connections_per_address: int = option(0, number(0), LIMITS, "most connections from one address")
    max_text_line: int = option(MAX_LINE, SIZE, LIMITS, "longest line of a text command, in bytes")
    max_functions: int = option(0, number(0), LIMITS, "most functions; workers and clients of new ones are refused")
    # A function that is used once a day is there all the time.
    function_expiry: float = option(
        2 * 86400.0, SECONDS, LIMITS, "seconds after which a function without workers, jobs and limits is forgotten"
    )
    max_jobs_per_connection: int = option(0, number(0), LIMITS, "most jobs that one connection may wait for")

    ssl: bool = option(False, FLAG, TLS, "speak TLS on every port that is listened on")
    ssl_certificate: str | None = option(
        None, FILE, TLS, "the server's certificate with its chain", environment=("GEARMAND_SERVER_PEM",)
    )
    ssl_key: str | None = option(
        None, FILE, TLS, "its key, if that is not in the same file", environment=("GEARMAND_SERVER_KEY",)
    )
    ssl_ca_file: str | None = option(
        None, FILE, TLS, "authority that clients' certificates come from", environment=("GEARMAND_CA_CERTIFICATE",)
    )
    ssl_verify: Verify = option(
        Verify.NONE, values.VERIFY, TLS, "whether clients must show a certificate: none, optional or required"
    )
    handshake_timeout: float = option(10.0, SECONDS, TLS, "seconds that a client has for the TLS handshake")

    text_reads: Who = option(
        Who.ALL,
        values.WHO,
        ACCESS,
        "who may use text commands that only tell something: all, local (from this machine) or admin (whom a rule "
        "gives that right)",
    )
    text_changes: Who = option(
        Who.ADMIN, values.WHO, ACCESS, "who may use those that change something; without rules, admin is everybody"
    )
    # The rules have a form for which words and variables have no place: they are in the TOML file.
    access: AccessRules | None = None

    job_retries: int = option(
        -1, number(-1, 255), JOBS, "lost workers that a job survives; -1: any number, 0: none", short="j"
    )
    job_handle_prefix: str = option(
        _handle_prefix(), values.HANDLE_PREFIX, JOBS, "what comes before the number in a job's handle"
    )
    timezone: str = option(
        "UTC", values.ZONE, JOBS, "time zone of cron lines, such as Europe/Berlin, for jobs that repeat themselves"
    )
    exceptions: bool = option(False, FLAG, JOBS, "send exceptions to every client, also if it did not ask for them")
    worker_wakeup: int = option(
        1, number(0, 255), JOBS, "sleeping workers to wake for each job; 0: all of them", short="w"
    )
    rearm_after: float = option(1.0, SECONDS, JOBS, "seconds that a woken worker has before others are woken instead")
    job_timeout: float = option(
        0.0, SECONDS, JOBS, "seconds until another worker gets a job, unless its worker named a time; 0: never"
    )
    probe_after: float = option(
        0.0, SECONDS, JOBS, "seconds that a worker may sleep before it is woken to see whether it is there; 0: any time"
    )
    stall_after: float = option(
        10.0, SECONDS, JOBS, "seconds that jobs may wait for a free worker before that is reported; 0: never"
    )
    stall_busy_after: float = option(600.0, SECONDS, JOBS, "the same if all workers hold on to other jobs; 0: never")
    priority_scope: PriorityScope = option(
        PriorityScope.GLOBAL,
        values.SCOPE,
        JOBS,
        "whether priorities count over all functions of a worker (global) or, as in gearmand 1.1, in each (function)",
    )
    round_robin: bool = option(
        False, FLAG, JOBS, "serve a worker's functions in turn; with global priorities they always are", short="R"
    )
    allow_shutdown: bool = option(False, FLAG, JOBS, "obey 'shutdown [graceful]' from this machine")

    store: str | None = option(
        None,
        values.STORE,
        STORE,
        "where background jobs are kept: sqlite:///FILE, postgresql://, mysql://, redis:// or memcached:// with "
        "USER:PASSWORD@HOST:PORT/DATABASE, or none [a SQLite file in the state folder, by port; none with port 0]",
    )
    durability: Durability = option(
        Durability.COMMIT,
        values.DURABILITY,
        STORE,
        "when background jobs are kept: before their client is answered (commit), soon after (relaxed), when the "
        "server stops in good form (shutdown), or none",
    )
    store_within: float = option(1.0, SECONDS, STORE, "with relaxed durability, seconds until a job is kept")

    verbose: Level | None = option(
        None,
        values.LEVEL,
        LOG,
        "FATAL, ALERT, CRITICAL, ERROR, WARNING, NOTICE (or -v), INFO (-vv) or DEBUG (-vvv); if not given, errors and "
        "where the server listens",
        short="v",
        steps=("NOTICE", "INFO", "DEBUG"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GearmandOptions(QueueOptions, ServerOptions):
    """What can be chosen about the command."""

    log_file: str | None = option(
        None, FILE, LOG, "a file, 'stderr' or 'none' [stderr; as a daemon, a file where logs are kept]", short="l"
    )
    log_format: LogFormat = option(LogFormat.TEXT, values.FORMAT, LOG, "text or json, one object a line")
    syslog: bool = option(False, FLAG, LOG, "log to syslog too")

    daemon: bool = option(False, FLAG, PROCESS, "go to the background once the server is ready", short="d")
    pid_file: str | None = option(
        None, FILE, PROCESS, "file for the process id [none; as a daemon, one where the system keeps them]", short="P"
    )
    user: str | None = option(None, values.USER, PROCESS, "user to become once all ports are bound", short="u")
    file_descriptors: int | None = option(
        None, number(16), PROCESS, "file descriptors to allow, a few more than connections [all that we may]", short="f"
    )

    protocol: str | None = option(None, values.MODULE, COMPATIBLE, "none in this version", short="r")
    threads: int = option(4, number(0), COMPATIBLE, "no effect: one thread serves all", short="t")
    hashtable_buckets: int = option(
        991,
        number(1, message="hashtable-buckets has to be greater than 0"),
        COMPATIBLE,
        "no effect: tables grow by themselves",
    )
    keepalive: bool = option(False, FLAG, COMPATIBLE, "no effect: keepalive is always on")
    coredump: bool = option(False, FLAG, COMPATIBLE, "no effect: crashes are left to the system")


OPTIONS = {made.name: made for made in options_of(GearmandOptions)}


def _command(name: str, text: str, short: str = "") -> Option:
    return Option(kind=FLAG, group=GENERAL, help=text, short=short, name=name, default=False)


# What is no option of the server, but says what the command is to do with them.
COMMANDS = {
    made.name: made
    for made in (
        _command("help", "show this help and exit", "h"),
        _command("version", "show the version and exit", "V"),
        _command("check-args", "check the options, and the files that they name, and exit"),
        Option(
            kind=FILE,
            group=GENERAL,
            help="read options from a file; TOML if its name ends so, else words as on the command line",
            name="config-file",
        ),
    )
}

# gearmand's modules, by the beginning of their options.
_MODULES = {
    "http-": "http",
    "libdrizzle-": "libdrizzle",
    "libtokyocabinet-": "libtokyocabinet",
}


def unknown_option(name: str, written: str) -> OptionError:
    """Return the error for an option that we do not have; ``written`` is how its user wrote it."""
    for beginning, module in _MODULES.items():
        if name.startswith(beginning):
            return OptionError(f"option '{written}' is for '{module}', which is not available in this version")
    close = difflib.get_close_matches(name, (*OPTIONS, *COMMANDS), n=1)
    dashes = written.removesuffix(written.lstrip("-"))
    hint = f"; did you mean '{dashes}{close[0]}'?" if close else ""
    return OptionError(f"unrecognised option '{written}'{hint}")
