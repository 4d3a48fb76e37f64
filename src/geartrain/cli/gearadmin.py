# SPDX-License-Identifier: MIT
"""The command `gearadmin`: the console of a job server (protocol 5).

Options, output and the order of operations are those of the C tool, with these differences:

- It reads each reply to its end. The C tool stops after 5 ms of silence and loses the rest.
- After an ERR reply the exit status is 2. The C tool exits with 0, so that a script cannot tell (protocol 7.6). The
  carriage return behind the error is left out.
- Operations with an argument may be given several times, and others be repeated. The C tool refuses both.
- It refuses limits that are not numbers, and limits of functions that the server does not have.
- It says why a server cannot be reached, and what to do about it.
- Errors begin with ``gearadmin:``, not with ``Error:``, as those of the other commands begin with their names.
- Errors about the command line are one line on standard error, without the help.
"""

import os
import sys
import time
from collections.abc import Sequence

from geartrain.admin.connection import TextConnection
from geartrain.admin.session import REPLY_TIMEOUT, Reply, Request, to_text, to_wire
from geartrain.cli.gearadmin_options import GearadminOptions, read_options, server_of
from geartrain.cli.interrupt import end_on_interrupt
from geartrain.cli.options import UsageError
from geartrain.cli.output import discard_stdout, error, print_version, reason, usage_error
from geartrain.cli.servers import cannot_reach, client_tls, client_token
from geartrain.errors import GeartrainError, NoServerAvailable
from geartrain.protocol.text import COMMANDS, ReplyKind, TextCommand, listing, printable
from geartrain.transport.sockets import CONNECT_TIMEOUT

__all__ = ["main"]

EXIT_FAILURE = 1  # wrong usage, no server, a server that does not answer
EXIT_REFUSED = 2  # the server answered ERR

# Seconds that a server has to be reached, and to answer; one that has to make a long list has more.
_PING_TIMEOUT = 5.0

_SHUTDOWN_HINT = (
    "a server obeys --shutdown only if it was started with --allow-shutdown, and only from its own machine; any server "
    "on this machine can be stopped by kill PID, with the number that gearadmin --getpid prints"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        if arguments is None:
            end_on_interrupt()
        return _main(sys.argv[1:] if arguments is None else arguments)
    except UsageError as problem:
        usage_error(str(problem))
    except BrokenPipeError:
        discard_stdout()
    except NoServerAvailable as problem:
        error(cannot_reach(problem))
    except (GeartrainError, OSError, ValueError) as problem:  # also a certificate that cannot be read, a wrong address
        error(reason(problem))
    return EXIT_FAILURE


def _main(arguments: Sequence[str]) -> int:
    options = read_options(arguments)
    if options.help:
        from geartrain.cli.gearadmin_page import PAGE
        from geartrain.cli.page import help_text

        print(help_text(PAGE), end="")
        return 0
    if options.version:
        print_version("gearadmin")
        return 0
    return _run(options)


def _run(options: GearadminOptions) -> int:
    address = server_of(options, os.environ)
    timeout = options.timeout or (REPLY_TIMEOUT if options.requests else _PING_TIMEOUT)
    connection = TextConnection(
        address,
        tls=client_tls(os.environ).context() if options.ssl else None,
        token=client_token(options.token_file, os.environ),
        timeout=timeout,
        connect_timeout=min(timeout, CONNECT_TIMEOUT),
    )
    try:
        seconds = _ping(connection) if options.ping else None
        replies = _exchange(connection, [(operation.command, arguments) for operation, arguments in options.requests])
    finally:
        connection.close()
    if options.json:
        from geartrain.cli.gearadmin_json import json_text

        print(json_text(options.requests, replies, seconds))
    else:
        subjects = [words[0] if words else "" for _, words in options.requests]
        _print(subjects, replies, f"{address} answers after {seconds * 1000:.1f} ms\n" if seconds is not None else "")
    return EXIT_REFUSED if any(reply.is_error for reply in replies) else 0


def _exchange(connection: TextConnection, requests: Sequence[Request]) -> Sequence[Reply]:
    """Return the replies, with an error for a limit of a function that the server does not have.

    Servers answer OK to that, and set nothing. So a list of functions follows the last limit.
    """
    limits = [place for place, (command, words) in enumerate(requests) if command is TextCommand.MAXQUEUE and words[1:]]
    if not limits:
        return connection.exchange(requests)
    place = limits[-1] + 1
    replies = list(connection.exchange([*requests[:place], (TextCommand.STATUS, ()), *requests[place:]]))
    status = replies.pop(place)
    known = {line.split(b"\t")[0] for line in status.lines}
    for limit in limits:
        function = requests[limit][1][0]
        names = {to_wire(function), printable(to_wire(function))}  # C servers list names as they are
        if known.isdisjoint(names) and not (status.is_error or replies[limit].is_error):
            message = "the server has no such function, so no limit was set; --create-function creates it"
            replies[limit] = Reply(TextCommand.MAXQUEUE, (to_wire(message),), is_error=True)
    return replies


def _ping(connection: TextConnection) -> float:
    """Return the seconds until the answer to a command that also a server without free connections answers."""
    began = time.monotonic()
    connection.exchange([(TextCommand.VERSION, ())])
    return time.monotonic() - began


def _print(subjects: Sequence[str], replies: Sequence[Reply], heading: str) -> None:
    """Print the replies; an error begins with the function or the handle that it is about."""
    out = sys.stdout.buffer
    out.write(heading.encode())
    for subject, reply in zip(subjects, replies, strict=True):
        if reply.is_error:
            out.flush()
            text = to_text(_shown(reply.value))
            if text.split(" ")[0].isupper():  # a code, and a text in which + stands for a space
                text = text.replace("+", " ")
            is_shutdown = reply.command is TextCommand.SHUTDOWN
            error(f"{to_text(_shown(to_wire(subject)))}: {text}" if subject and not is_shutdown else text)
            if is_shutdown:
                error(_SHUTDOWN_HINT)
        elif COMMANDS[reply.command].reply is ReplyKind.LISTING:
            out.write(listing([_shown(line) for line in reply.lines]))
        else:
            out.write((_shown(reply.value) or b"OK") + b"\n")
    out.flush()


def _shown(line: bytes) -> bytes:
    """Return a line with what would change the terminal escaped: C servers send names as they are."""
    return b"\t".join([printable(column) for column in line.split(b"\t")])


if __name__ == "__main__":
    sys.exit(main())
