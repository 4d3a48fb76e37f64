# SPDX-License-Identifier: MIT
"""The options of `gearadmin`: some of its own, and one for each text command."""

from collections.abc import Mapping, Sequence

from geartrain.cli.options import HELP, MAYBE, SEVERAL, VERSION, Option, UsageError, parse
from geartrain.cli.servers import server_address
from geartrain.protocol.listings import LISTINGS
from geartrain.protocol.text import TextCommand
from geartrain.transport.address import DEFAULT_PORT, ServerAddress, parse_servers
from geartrain.wording import did_you_mean

__all__ = ["OPERATIONS", "OPTIONS", "GearadminOptions", "Operation", "read_options", "server_of"]

_NOW = "now"
_GRACEFUL = "graceful"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise ValueError("a number of seconds above 0")
    return seconds


def _shutdown_mode(text: str) -> str:
    if text not in ("", _NOW, _GRACEFUL):
        raise ValueError(f"{_NOW} or {_GRACEFUL}")
    return text or _NOW


class Operation(Option):
    """An option that sends a text command.

    Args:
        name: Its name without the dashes.
        command: The command.
        help: As in `Option`, like the rest.
    """

    __slots__ = ("command",)

    def __init__(
        self,
        name: str,
        command: TextCommand,
        help: str,  # noqa: A002  # as in `Option`
        argument: str = "",
        takes: int | None = None,
        words: Sequence[str] = (),
    ) -> None:
        is_mode = command is TextCommand.SHUTDOWN
        super().__init__(
            f"--{name}",
            help,
            argument=argument,
            takes=takes,
            words=words,
            many=bool(argument) and not is_mode,
            read=_shutdown_mode if is_mode else str,
        )
        self.command = command


# In the order of execution, which is that of the C tool; ours follow, and a shutdown comes last.
OPERATIONS = [
    Operation("getpid", TextCommand.GETPID, "print the process id of the server"),
    Operation("create-function", TextCommand.CREATE_FUNCTION, "create a function", "FUNCTION"),
    Operation("drop-function", TextCommand.DROP_FUNCTION, "remove a function without workers and jobs", "FUNCTION"),
    Operation(
        "show-jobs",
        TextCommand.SHOW_JOBS,
        "list all jobs: handle, retries, ignored (1: cancelled, it will not run), stored (1: in the store)",
    ),
    Operation(
        "show-unique-jobs",
        TextCommand.SHOW_UNIQUE_JOBS,
        "list the uniques of all jobs (keys that clients give to jobs)",
    ),
    Operation(
        "show-schedules",
        TextCommand.SHOW_SCHEDULES,
        "list repeating jobs: handle, function, cron line, next run, unique, time zone, priority",
    ),
    Operation("limits", TextCommand.SHOW_LIMITS, "list the limits of the server: name, number of rejections"),
    Operation(
        "stalls",
        TextCommand.SHOW_STALLS,
        "list functions whose jobs have waited too long: function, waiting jobs, workers, seconds, reason",
    ),
    *[
        Operation(command.value.replace(" ", "-"), command, f"list {found.help}: {', '.join(found.row._fields)}")
        for command, found in LISTINGS.items()
    ],
    Operation("cancel-job", TextCommand.CANCEL_JOB, "cancel a waiting or repeating job", "HANDLE"),
    Operation("server-verbose", TextCommand.VERBOSE, "print the log level of the server"),
    Operation("server-version", TextCommand.VERSION, "print the version of the server"),
    Operation("workers", TextCommand.WORKERS, "list connections: descriptor, address, client id, functions"),
    Operation(
        "priority-status",
        TextCommand.PRIORITY_STATUS,
        "list functions: waiting jobs of high, normal and low priority, workers",
    ),
    Operation("status", TextCommand.STATUS, "list functions: jobs, running jobs, workers"),
    Operation(
        "maxqueue",
        TextCommand.MAXQUEUE,
        "reject new jobs of a function while it has N jobs. HIGH, NORMAL and LOW are such limits for new jobs of each "
        "priority. Without a number, all limits of the function are removed",
        "FUNCTION [N | HIGH NORMAL LOW]",
        takes=SEVERAL,
    ),
    Operation(
        "shutdown",
        TextCommand.SHUTDOWN,
        f"stop the server: {_NOW}, or when the running jobs have ended ({_GRACEFUL}); only for a server that was "
        "started with --allow-shutdown",
        f"{_NOW}|{_GRACEFUL}",
        takes=MAYBE,
        words=(_NOW, _GRACEFUL),
    ),
]

OPTIONS: dict[str, Sequence[Option]] = {
    "Options": [
        Option("-h --host", "host of the server; it overrides GEARMAN_SERVER [localhost]", argument="HOST"),
        Option(
            "-p --port",
            f"port of the server, or name of a service; it overrides GEARMAN_SERVER [{DEFAULT_PORT}]",
            argument="PORT",
        ),
        Option(
            "--server",
            "the server, as host:port, [::1]:port, tls://host or unix:/path; it overrides -h and -p",
            argument="ADDRESS",
        ),
        Option("-S --ssl", "encrypt the connection with TLS"),
        Option(
            "--token-file", "file that contains a token, for servers with access rules", argument="FILE", files=True
        ),
        Option(
            "--timeout",
            "seconds to wait for the answers [30; for --ping alone, 5]",
            argument="SECONDS",
            read=_seconds,
        ),
        Option("--json", "print one JSON object, with a key for each operation and a name for each column"),
        HELP,
        VERSION,
    ],
    "Operations": [Option("--ping", "print the time that the server takes to answer"), *OPERATIONS],
}


class GearadminOptions:
    """The command line of `gearadmin`.

    Attributes:
        requests: The operations and their arguments, in the order in which they are done.
        server: An address, in place of host and port.
        timeout: Seconds that the server has to answer, if that was chosen.
    """

    host: str = ""
    port: str = ""
    server: str = ""
    ssl: bool = False
    token_file: str | None = None
    timeout: float | None = None
    json: bool = False
    ping: bool = False
    help: bool = False
    version: bool = False

    def __init__(self, values: Mapping[str, object]) -> None:
        self.requests: list[tuple[Operation, Sequence[str]]] = []
        vars(self).update(values)
        for operation in OPERATIONS:
            value = values.get(operation.key)
            if operation.command is TextCommand.SHUTDOWN and value:
                self.requests.append((operation, [_GRACEFUL] if value == _GRACEFUL else []))
            elif value is True:
                self.requests.append((operation, []))
            elif isinstance(value, list):
                self.requests += [(operation, each if isinstance(each, list) else [each]) for each in value]


def read_options(arguments: Sequence[str]) -> GearadminOptions:
    """Read the command line.

    Raises:
        UsageError: It is not understood.
    """
    values, others = parse(arguments, [option for group in OPTIONS.values() for option in group])
    options = GearadminOptions(values)
    for operation, words in options.requests:
        if operation.command is TextCommand.MAXQUEUE:
            _check_limits(words[1:])
    if not (options.requests or options.ping or options.help or options.version):
        hint = did_you_mean(others[0], [name[2:] for name in _names()], prefix="--") if others else ""
        raise UsageError(f"name an operation{hint or ', such as --status'}")
    return options  # words that are not options are ignored, as by the C tool


def _check_limits(limits: Sequence[str]) -> None:
    """Check the numbers of `--maxqueue`: a server takes any other word for no limit, and answers OK."""
    for limit in limits:
        if not (limit.isascii() and limit.isdigit()):
            raise UsageError(f"--maxqueue takes a function and a number of jobs, or 0 for no limit, not {limit!r}")
    if len(limits) not in (0, 1, 3):
        raise UsageError(
            "--maxqueue takes one number for all jobs, or three for those of high, normal and low priority, "
            f"not {len(limits)}"
        )


def _names() -> list[str]:
    return [name for option in OPTIONS["Operations"] for name in option.names]


def server_of(options: GearadminOptions, environment: Mapping[str, str]) -> ServerAddress:
    """Return the server: that of the command line, or else the first one that a variable names, or localhost.

    Raises:
        ValueError: It is not an address.
        UnknownServer: A port does not exist.
    """
    if options.server:
        return ServerAddress.parse(options.server)
    if options.host or options.port:
        return server_address(options.host or "localhost", options.port or str(DEFAULT_PORT))
    named = environment.get("GEARMAN_SERVER", "").strip() or environment.get("GEARMAN_SERVERS", "").strip()
    return parse_servers(named)[0] if named else ServerAddress()
