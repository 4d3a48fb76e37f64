# SPDX-License-Identifier: MIT
"""The command `gearadmin`: the console of a job server (protocol 5).

Options, output and the order of operations are those of the C tool. What differs, and why:

- A reply is read to its end, where the C tool stops after 5 ms of silence and loses what comes later.
- An ERR reply makes the exit status 2, where the C tool exits 0 and a script cannot tell (protocol 7.6); the carriage
  return behind the error is left out.
- An operation that takes a name may be given several times; the others may be repeated without effect. The C tool
  refuses both.
- Why a server cannot be reached is said, and what to do about it.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from typing import NoReturn

from geartrain.admin.rows import (
    FunctionStatus,
    JobRow,
    LimitRow,
    PriorityStatus,
    ScheduleRow,
    StallRow,
    WorkerStatus,
    read_row,
)
from geartrain.admin.session import REPLY_TIMEOUT, Reply, to_text
from geartrain.admin.sync import AdminClient
from geartrain.cli.output import give_up_stdout, program_name
from geartrain.cli.servers import ACCESS_VARIABLE, START_HINT, TLS_VARIABLES, client_tls, client_token, server_address
from geartrain.errors import GeartrainError, NoServerAvailable
from geartrain.protocol.listings import LISTINGS
from geartrain.protocol.text import COMMANDS, ReplyKind, TextCommand, listing, printable
from geartrain.transport import CONNECT_TIMEOUT, DEFAULT_PORT, ServerAddress

__all__ = ["main"]

EXIT_FAILURE = 1  # wrong usage, no server, a server that does not answer
EXIT_REFUSED = 2  # the server answered ERR

_DESCRIPTION = "Ask a Gearman job server how it is, and tell it a few things."
_EPILOG = f"""\
Options may be shortened as long as they stay unambiguous: --stat is --status. Operations are done on one connection,
and in the order of the list above.

Examples:
  gearadmin --ping                     does the server answer? The exit status tells
  gearadmin --status                   functions: jobs (waiting and running), running jobs, workers
  gearadmin -h queue1 --workers        who is connected to another machine's server, and what they can do
  gearadmin --status --json            the same for programs
  gearadmin --maxqueue resize 1000     refuse jobs of resize while it has 1000
  gearadmin --cancel-job H:queue1:17   drop a job that waits

Environment, for -S:
{TLS_VARIABLES}
and always:
{ACCESS_VARIABLE}

Exit status: 0 if all went well, 1 for wrong usage or if the server cannot be reached or does not answer in time, 2 if
it refused something."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An option that asks the server something; ``argument`` is what the help calls its argument, if it has one."""

    option: str
    command: TextCommand
    help: str
    argument: str = ""

    @property
    def key(self) -> str:
        """Its name in JSON."""
        return self.option.replace("-", "_")


# Seconds that a server has to be reached, and to answer; one that has to make a long list has more.
_PING_TIMEOUT = 5.0

# In the order of the C tool, whatever the order on the command line; ours follow, and a shutdown comes last.
OPERATIONS = (
    Operation("getpid", TextCommand.GETPID, "the process id of the server"),
    Operation("create-function", TextCommand.CREATE_FUNCTION, "make a function known", "FUNCTION"),
    Operation("drop-function", TextCommand.DROP_FUNCTION, "forget a function that has no workers", "FUNCTION"),
    Operation("show-jobs", TextCommand.SHOW_JOBS, "all jobs: handle, retries, ignored, stored"),
    Operation("show-unique-jobs", TextCommand.SHOW_UNIQUE_JOBS, "the unique of every job"),
    Operation(
        "show-schedules", TextCommand.SHOW_SCHEDULES, "jobs that repeat: handle, function, cron line, next run, unique"
    ),
    Operation("limits", TextCommand.SHOW_LIMITS, "limits of the server: name, how often it has refused something"),
    Operation("stalls", TextCommand.SHOW_STALLS, "queues that stand still: function, jobs, workers, seconds, reason"),
    *(
        Operation(command.value.replace(" ", "-"), command, f"{found.help}: {', '.join(found.row._fields)}")
        for command, found in LISTINGS.items()
    ),
    Operation("cancel-job", TextCommand.CANCEL_JOB, "drop a job that waits, or one that repeats", "HANDLE"),
    Operation("server-verbose", TextCommand.VERBOSE, "how much the server logs"),
    Operation("server-version", TextCommand.VERSION, "the version of the server"),
    Operation("workers", TextCommand.WORKERS, "all connections: descriptor, address, client id, functions"),
    Operation(
        "priority-status", TextCommand.PRIORITY_STATUS, "jobs that wait, by function: high, normal, low, workers"
    ),
    Operation("status", TextCommand.STATUS, "jobs by function: all, running, workers"),
    Operation(
        "maxqueue",
        TextCommand.MAXQUEUE,
        "refuse jobs of a function that has so many: no number is no limit, one is for all priorities, three are for "
        "high, normal and low",
        "FUNCTION [N...]",
    ),
    Operation(
        "shutdown",
        TextCommand.SHUTDOWN,
        "stop the server, now or when no job is left; it may not allow it",
        "now|graceful",
    ),
)

_ROWS: dict[TextCommand, Callable[[bytes], object]] = {
    TextCommand.STATUS: FunctionStatus.parse,
    TextCommand.PRIORITY_STATUS: PriorityStatus.parse,
    TextCommand.WORKERS: WorkerStatus.parse,
    TextCommand.SHOW_JOBS: JobRow.parse,
    TextCommand.SHOW_UNIQUE_JOBS: to_text,
    TextCommand.SHOW_SCHEDULES: ScheduleRow.parse,
    TextCommand.SHOW_STALLS: StallRow.parse,
    TextCommand.SHOW_LIMITS: LimitRow.parse,
}
_ROWS |= {command: partial(read_row, found.row) for command, found in LISTINGS.items()}


class _Parser(argparse.ArgumentParser):
    """Reports errors as the C tool does: with the help, on stdout."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog} : {message}\n\n{self.format_help()}")
        raise SystemExit(EXIT_FAILURE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        return _main(arguments)
    except BrokenPipeError:
        give_up_stdout()
    except KeyboardInterrupt:
        pass
    return EXIT_FAILURE


def _main(arguments: Sequence[str] | None) -> int:
    parser = _option_parser()
    options, strays = parser.parse_known_args(arguments)
    unknown = [word for word in strays if word.startswith("-") and word != "-"]
    if unknown:
        parser.error(f"unrecognised option '{unknown[0]}'")  # other stray words have always been ignored
    if options.help:
        print(parser.format_help())
        return 0
    requests = list(_requests(options))
    if not requests and not options.ping:
        print(f"No option execution operation given.\n\n{parser.format_help()}")
        return EXIT_FAILURE
    try:
        return _run(options, requests)
    except NoServerAvailable as error:
        _complain(f"cannot reach {error}\n{START_HINT}")
    except (GeartrainError, OSError, ValueError) as error:  # also a certificate that cannot be read, a bad address
        _complain(str(error))
    return EXIT_FAILURE


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) < 1e9:
            return seconds
    raise argparse.ArgumentTypeError(f"a number of seconds above 0, not {text}")


def _option_parser() -> _Parser:
    parser = _Parser(
        prog=program_name(),
        usage="%(prog)s [-h HOST] [-p PORT] OPERATION...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=31, width=118),
        add_help=False,
    )
    general = parser.add_argument_group("Options")
    general.add_argument("--help", action="store_true", help="show this")
    general.add_argument("-h", "--host", default="localhost", help="host of the server (localhost)")
    general.add_argument("-p", "--port", default=str(DEFAULT_PORT), help=f"its port or service ({DEFAULT_PORT})")
    general.add_argument("--server", metavar="ADDRESS", help="instead: host:port, [::1]:port, tls://host or unix:/path")
    general.add_argument("-S", "--ssl", action="store_true", help="speak TLS, see below")
    general.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="patience with the answer (30; 5 if only --ping is asked)"
    )
    general.add_argument("--token-file", metavar="FILE", help="file with a token, for servers with rules of access")
    general.add_argument("--json", action="store_true", help="print one JSON object, with a key for each operation")
    operations = parser.add_argument_group("Operations")
    operations.add_argument("--ping", action="store_true", help="whether the server answers, and after how long")
    for operation in OPERATIONS:
        _add_operation(operations, operation)
    return parser


def _add_operation(group: argparse._ArgumentGroup, operation: Operation) -> None:
    name = f"--{operation.option}"
    if operation.command is TextCommand.SHUTDOWN:
        group.add_argument(name, nargs="?", const="now", choices=("now", "graceful"), help=operation.help)
    elif operation.command is TextCommand.MAXQUEUE:
        metavar = ("FUNCTION", "N")
        group.add_argument(name, nargs="+", action="append", metavar=metavar, help=operation.help)
    elif operation.argument:
        group.add_argument(name, nargs=1, action="append", metavar=operation.argument, help=operation.help)
    else:
        group.add_argument(name, action="store_true", help=operation.help)


def _requests(options: argparse.Namespace) -> Iterator[tuple[Operation, Sequence[str]]]:
    """Yield what was asked for in the order in which it is done."""
    for operation in OPERATIONS:
        given = getattr(options, operation.key)
        if operation.command is TextCommand.SHUTDOWN and given:
            yield operation, [given] if given == "graceful" else []
        elif given is True:
            yield operation, []
        elif given:
            yield from ((operation, arguments) for arguments in given)


def _run(options: argparse.Namespace, requests: Sequence[tuple[Operation, Sequence[str]]]) -> int:
    address = ServerAddress.parse(options.server) if options.server else server_address(options.host, options.port)
    tls = client_tls(os.environ) if options.ssl else None
    token = client_token(options.token_file, os.environ)
    timeout = options.timeout or (REPLY_TIMEOUT if requests else _PING_TIMEOUT)
    patience = min(timeout, CONNECT_TIMEOUT)
    with AdminClient(address, tls=tls, token=token, timeout=timeout, connect_timeout=patience) as admin:
        seconds = admin.ping() if options.ping else None
        replies = admin.exchange([(operation.command, arguments) for operation, arguments in requests])
    if options.json:
        _print_json(requests, replies, seconds)
    else:
        _print_plain(replies, f"{address} answers after {seconds * 1000:.1f} ms\n" if seconds is not None else "")
    return EXIT_REFUSED if any(reply.is_error for reply in replies) else 0


def _print_plain(replies: Sequence[Reply], heading: str) -> None:
    out = sys.stdout.buffer
    out.write(heading.encode())
    for reply in replies:
        if reply.is_error:
            out.flush()
            _complain(to_text(_shown(reply.value)))
        elif COMMANDS[reply.command].reply is ReplyKind.LISTING:
            out.write(listing([_shown(line) for line in reply.lines]))
        else:
            out.write((_shown(reply.value) or b"OK") + b"\n")
    out.flush()


def _shown(line: bytes) -> bytes:
    """Return a line with what would change the terminal escaped: C servers send names as they are."""
    return b"\t".join([printable(column) for column in line.split(b"\t")])


def _print_json(
    requests: Sequence[tuple[Operation, Sequence[str]]], replies: Sequence[Reply], seconds: float | None
) -> None:
    answers: dict[str, object] = {} if seconds is None else {"ping": seconds}
    for (operation, arguments), reply in zip(requests, replies, strict=True):
        value = _json_value(reply)
        if arguments and operation.command is not TextCommand.SHUTDOWN:
            by_name = answers.setdefault(operation.key, {})
            assert isinstance(by_name, dict), "an operation takes arguments or it does not"
            by_name[arguments[0]] = value
        else:
            answers[operation.key] = value
    print(json.dumps(answers, indent=2, default=str))


def _json_value(reply: Reply) -> object:
    if reply.is_error:
        return {"error": to_text(reply.value)}
    if reply.command in _ROWS:
        rows = [_ROWS[reply.command](line) for line in reply.lines]
        return [_json_row(row) for row in rows]
    if reply.command is TextCommand.GETPID:
        return int(reply.value)
    return to_text(reply.value) or "OK"


def _json_row(row: object) -> object:
    if isinstance(row, tuple):  # a named one
        return dict(zip(getattr(row, "_fields", ()), row, strict=True))
    return asdict(row) if is_dataclass(row) and not isinstance(row, type) else row


def _complain(message: str) -> None:
    print(f"Error: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
