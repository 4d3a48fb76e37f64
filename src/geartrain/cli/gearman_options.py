# SPDX-License-Identifier: MIT
"""The options of `gearman` and its help."""

import getopt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from geartrain.cli.servers import ACCESS_VARIABLE, TLS_VARIABLES, server_address
from geartrain.records import Priority
from geartrain.transport import DEFAULT_PORT, ServerAddress, parse_servers

__all__ = ["GearmanOptions", "UsageError", "help_text", "read_options", "servers_of", "usage_text"]

_SHORT = "f:h:p:t:i:dSvHbILnNPsu:wc:"
_LONG = ["help", "server=", "timeout=", "token-file=", "json"]

_MOST = 2**31 - 1  # what the C tool can count to, too

_OPTIONS = """\
Common options to both client and worker modes.
\t-f <function> - Function name to use for jobs (can give many)
\t-h <host>     - Job server host
\t-H            - Print this help menu
\t-v            - Print diagnostic information to stdout(false)
\t-p <port>     - Job server port
\t-t <timeout>  - Timeout in milliseconds
\t-i <pidfile>  - Create a pidfile for the process
\t-d            - Run in the background, without a terminal
\t-S            - Enable SSL connections
\t--server <address>   - Job server: host:port, [::1]:port, tls://host or unix:/path (can give many)
\t--token-file <file>  - File with a token, for servers with rules of access
\t--timeout <seconds>  - Client: give up after so long in all. Worker: the same as -t
\t--help               - Print an introduction and all options

Client options:
\t-b            - Run jobs in the background(false)
\t-I            - Run jobs as high priority
\t-L            - Run jobs as low priority
\t-n            - Run one job per line(false)
\t-N            - Same as -n, but strip off the newline(false)
\t-P            - Prefix all output lines with functions names
\t-s            - Send job without reading from standard input
\t-u <unique>   - Unique key to use for job
\t--json               - Print what happens to the jobs, a JSON object a line

Worker options:
\t-c <count>    - Number of jobs for worker to run before exiting
\t-n            - Send data packet for each line(false)
\t-N            - Same as -n, but strip off the newline(false)
\t-w            - Run in worker mode(false)
"""

_INTRODUCTION = """\
Gearman hands work to other processes and machines. A worker offers functions to a job server; a client sends the
server a function's name and some bytes, and gets back what the worker made of them.

Try it, with a server (gearmand) running on this machine:

  gearman -w -f count -- wc -w &            offer the function "count": run wc -w for each job
  gearman -f count "three little words"     have it done: prints 3
  gearman -f count < essay.txt              the same for the contents of a file
  ls | gearman -f count -n                  a job for each line of the input
  gearman -f count -b "no hurry"            put the job in the queue and do not wait for it

Words behind the options are one job each; without any, standard input is the job. A worker's command gets the job on
its standard input, and what it prints is the result. Put -- before a command that has options of its own.
"""

_EPILOG = f"""\
A job with -u <unique> is not queued again while one with the same key is. The key - stands for the contents of the
job, and # for a number computed from them.

Servers: localhost:{DEFAULT_PORT} unless -h, -p or --server say otherwise. A client uses the first one that it reaches,
a worker uses all.

Environment:
  GEARMAN_SERVER            servers in place of -h and -p: host:port,host:port
  GEARMAN_SERVERS           servers besides these
{TLS_VARIABLES}
{ACCESS_VARIABLE}

Exit status of a client: 0 if all jobs were done, or accepted with -b; 1 if one failed, or for wrong usage; 2 if no
server could be reached or one refused a job or was lost; 3 if -t or --timeout ran out. Of a worker: 0, or 1 for wrong
usage.
"""


class UsageError(Exception):
    """The command line is not understood."""


@dataclass(slots=True)
class GearmanOptions:
    """What the command line says; the names of fields are explained by the help.

    Attributes:
        timeout: Seconds that the client waits for the next sign of life, and a worker for a job; None for ever.
        total_timeout: Seconds that the client has in all.
        strip: Leave out the ends of lines.
    """

    functions: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    host: str = "localhost"
    port: str = str(DEFAULT_PORT)
    servers: list[str] = field(default_factory=list)
    timeout: float | None = None
    total_timeout: float | None = None
    pid_file: str | None = None
    detach: bool = False
    tls: bool = False
    token_file: str | None = None
    verbose: bool = False
    help: str = ""
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


def read_options(arguments: Sequence[str]) -> GearmanOptions:
    """Read the command line as getopt does: options may stand behind words, up to ``--``.

    Raises:
        UsageError: It is not understood.
    """
    try:
        pairs, words = getopt.gnu_getopt(list(arguments), _SHORT, _LONG)
    except getopt.GetoptError as error:
        raise UsageError(error.msg) from None
    options = GearmanOptions(words=words)
    for option, value in pairs:
        _take(options, option, value)
    if options.help:
        return options
    if not options.functions:
        raise UsageError("No Functions were provided")
    if options.worker and options.total_timeout is not None:
        options.timeout = options.total_timeout
    return options


def _take(options: GearmanOptions, option: str, value: str) -> None:
    match option:
        case "-f":
            options.functions.append(value)
        case "-h":
            options.host = value
        case "-p":
            options.port = value
        case "-t":
            milliseconds = _number(option, value, -_MOST)
            options.timeout = None if milliseconds < 0 else milliseconds / 1000
        case "-i":
            options.pid_file = value
        case "-d":
            options.detach = True
        case "-S":
            options.tls = True
        case "-v":
            options.verbose = True
        case "-H":
            options.help = "usage"
        case "-b":
            options.background = True
        case "-I":
            options.priority = Priority.HIGH
        case "-L":
            options.priority = Priority.LOW
        case "-n":
            options.lines = True
        case "-N":
            options.lines = options.strip = True
        case "-P":
            options.prefix = True
        case "-s":
            options.empty = True
        case "-u":
            options.unique = value
        case "-w":
            options.worker = True
        case "-c":
            options.count = _number(option, value)
        case "--help":
            options.help = "introduction"
        case "--server":
            options.servers.append(value)
        case "--token-file":
            options.token_file = value
        case "--timeout":
            options.total_timeout = _seconds(option, value)
        case "--json":
            options.json = True


def _number(option: str, value: str, least: int = 0) -> int:
    try:
        number = int(value)
    except ValueError:
        raise UsageError(f"{option} takes a whole number, not {value}") from None
    if not least <= number <= _MOST:
        raise UsageError(f"{option} takes a number from {least} to {_MOST}, not {value}")
    return number


def _seconds(option: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UsageError(f"{option} takes a number of seconds, not {value}")
    return seconds


def servers_of(options: GearmanOptions, environment: Mapping[str, str]) -> list[ServerAddress]:
    """Return the servers in the order in which a client tries them.

    That is libgearman's, which tries the server that it was told of last first: jobs shall land where those of C
    clients with the same options do.

    Raises:
        ValueError: One is no address.
        UnknownServer: There is no such port.
    """
    if options.servers:
        return parse_servers(options.servers)
    replaced = environment.get("GEARMAN_SERVER", "")
    named = parse_servers(replaced) if replaced else [server_address(options.host, options.port)]
    more = environment.get("GEARMAN_SERVERS", "")
    return parse_servers([*reversed(named), *reversed(parse_servers(more) if more else [])])


def usage_text(program: str, reason: str = "") -> str:
    """Return the usage, with what is wrong if something is."""
    error = f"\n{program}\tError in usage({reason}).\n" if reason else ""
    return f"""\
{error}
Client mode: {program} [options] [<data>]
Worker mode: {program} -w [options] [<command> [<args> ...]]

{_OPTIONS}"""


def help_text(program: str) -> str:
    """Return the usage with an introduction."""
    return f"{_INTRODUCTION}{usage_text(program)}\n{_EPILOG}"
