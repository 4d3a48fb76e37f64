# SPDX-License-Identifier: MIT
"""The options of `gearman`, and the servers that they name."""

from collections.abc import Callable, Mapping, Sequence

from geartrain.cli.options import VERSION, Option, UsageError, parse
from geartrain.cli.servers import server_address
from geartrain.records import Priority
from geartrain.transport.address import DEFAULT_PORT, ServerAddress, parse_servers

__all__ = ["OPTIONS", "GearmanOptions", "read_options", "servers_of"]

_MOST = 2**31 - 1  # the largest number of the C tool


def _number(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("a whole number") from None
        if not least <= number <= _MOST:
            raise ValueError(f"a number from {least} to {_MOST}")
        return number

    return read


def _milliseconds(text: str) -> float | None:
    milliseconds = _number(-_MOST)(text)
    return None if milliseconds < 0 else milliseconds / 1000


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise ValueError("a number of seconds")
    return seconds


def _timeout(help: str) -> Option:  # noqa: A002  # as in `Option`
    return Option("-t", help, argument="MILLISECONDS", key="timeout", read=_milliseconds)


def _total_timeout(help: str) -> Option:  # noqa: A002  # as in `Option`
    return Option("--timeout", help, argument="SECONDS", key="total_timeout", read=_seconds)


# The options under their titles. A title without options is not shown.
OPTIONS: dict[str, list[Option]] = {
    "Options of clients and workers": [
        Option("-f", "name of the function; may be repeated", argument="FUNCTION", key="functions", many=True),
        Option("-h", "host of the server, if GEARMAN_SERVER is not set [localhost]", argument="HOST", key="host"),
        Option(
            "-p",
            f"port of the server, or name of a service, if GEARMAN_SERVER is not set [{DEFAULT_PORT}]",
            argument="PORT",
            key="port",
        ),
        Option(
            "--server",
            "a server, as host:port, [::1]:port, tls://host or unix:/path, in place of those of -h, -p and the "
            "variables; may be repeated",
            argument="ADDRESS",
            key="servers",
            many=True,
        ),
        Option("-S", "encrypt the connections with TLS", key="tls"),
        Option(
            "--token-file", "file that contains a token, for servers with access rules", argument="FILE", files=True
        ),
        Option("-i", "file for the process id", argument="FILE", key="pid_file", files=True),
        Option("-d", "run in the background", key="detach"),
        Option("-v", "print more. Client: the handles of the jobs; worker: its connections", key="verbose"),
        Option("-H --help", "show this help and exit", key="help"),
        VERSION,
    ],
    "Options of clients": [
        Option("-b", "submit background jobs, and do not wait for their results", key="background"),
        Option("-I", "submit with high priority", sets={"priority": Priority.HIGH}),
        Option("-L", "submit with low priority", sets={"priority": Priority.LOW}),
        Option("-n", "submit a job for each line of the input", key="lines"),
        Option("-N", "like -n, but without the newline characters", sets={"lines": True, "strip": True}),
        Option("-P", "print the function's name before each line of output", key="prefix"),
        Option("-s", "submit an empty job, and do not read standard input", key="empty"),
        Option("-u", "unique of the jobs; see Uniques below", argument="UNIQUE", key="unique"),
        _timeout("exit if the server sends nothing for this time"),
        _total_timeout("exit if the results are not complete after this time"),
        Option("--json", "print the events of the jobs, one JSON object per line"),
    ],
    "Options of workers": [
        Option(
            "-w", "be a worker: run the command for each job, or print the job if there is no command", key="worker"
        ),
        Option("-c", "exit after this number of jobs", argument="COUNT", key="count", read=_number(0)),
        Option("-n", "send each line of the command's output as soon as it is printed", key="lines"),
        Option("-N", "like -n, but without the newline characters", sets={"lines": True, "strip": True}),
        _timeout("print a message each time that no job comes for this time; 0: exit as soon as no job waits"),
        _total_timeout("like -t, but in seconds"),
    ],
}


class GearmanOptions:
    """The command line of `gearman`.

    Attributes:
        words: The arguments after the options: jobs, or the command of a worker.
        timeout: Seconds that a client waits for more data, or a worker for a job; None for no limit.
        total_timeout: Seconds that a client waits in total.
        strip: True to remove the newline characters.
    """

    host: str = "localhost"
    port: str = str(DEFAULT_PORT)
    timeout: float | None = None
    total_timeout: float | None = None
    pid_file: str | None = None
    detach: bool = False
    tls: bool = False
    token_file: str | None = None
    verbose: bool = False
    help: bool = False
    version: bool = False
    background: bool = False
    priority: Priority = Priority.NORMAL
    lines: bool = False
    strip: bool = False
    prefix: bool = False
    empty: bool = False
    unique: str | None = None
    json: bool = False
    worker: bool = False
    count: int = 0

    def __init__(self, words: list[str], values: Mapping[str, object] | None = None) -> None:
        self.words = words
        self.functions: list[str] = []
        self.servers: list[str] = []
        vars(self).update(values or {})


def read_options(arguments: Sequence[str]) -> GearmanOptions:
    """Read the command line.

    Raises:
        UsageError: It is not understood.
    """
    values, words = parse(arguments, [option for group in OPTIONS.values() for option in group])
    options = GearmanOptions(words, values)
    if options.help or options.version:
        return options
    if not options.functions:
        raise UsageError("name a function with -f")
    if options.worker and options.total_timeout is not None:
        options.timeout = options.total_timeout
    return options


def servers_of(options: GearmanOptions, environment: Mapping[str, str]) -> list[ServerAddress]:
    """Return the servers in the order in which a client tries them.

    This is libgearman's order, the last named server first: jobs should get to the server to which C clients with the
    same options send theirs.

    Raises:
        ValueError: One of them is not an address.
        UnknownServer: A port does not exist.
    """
    if options.servers:
        return parse_servers(options.servers)
    replaced = environment.get("GEARMAN_SERVER", "")
    named = parse_servers(replaced) if replaced else [server_address(options.host, options.port)]
    more = environment.get("GEARMAN_SERVERS", "")
    return parse_servers([*reversed(named), *reversed(parse_servers(more) if more else [])])
