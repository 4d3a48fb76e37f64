# SPDX-License-Identifier: MIT
"""The command `gearman`: submits jobs, or offers a command to a job server as a function (protocol 4)."""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from ssl import SSLContext

from geartrain.cli.gearman_client import EXIT_NO_ANSWER, EXIT_TIMEOUT, JobRunner
from geartrain.cli.gearman_options import (
    GearmanOptions,
    UsageError,
    help_text,
    read_options,
    servers_of,
    usage_text,
)
from geartrain.cli.gearman_output import JobOutput, JsonOutput, PlainOutput
from geartrain.cli.gearman_worker import CommandWorker
from geartrain.cli.output import complain, give_up_stdout, program_name
from geartrain.cli.process import PidFileError, detach, pid_file
from geartrain.cli.servers import START_HINT, UnknownServer, client_tls, client_token
from geartrain.errors import GeartrainError, LocalProtocolError, NoServerAvailable, ReplyTimeout
from geartrain.transport import ServerAddress

__all__ = ["main"]

EXIT_USAGE = 1
EXIT_INTERRUPTED = 130  # as a shell has it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        options = read_options(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        sys.stderr.write(usage_text(sys.argv[0], str(error)))
        return EXIT_USAGE
    try:
        return _help(options) if options.help else _start(options)
    except BrokenPipeError:
        give_up_stdout()
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _help(options: GearmanOptions) -> int:
    print(help_text(program_name()) if options.help == "introduction" else usage_text(sys.argv[0]), end="")
    return 0


def _start(options: GearmanOptions) -> int:
    try:
        servers = servers_of(options, os.environ)
        tls = client_tls(os.environ).context() if options.tls else None
        token = client_token(options.token_file, os.environ)
    except (ValueError, OSError, GeartrainError) as error:
        complain(str(error))
        return EXIT_USAGE
    if options.detach and not detach():
        return 0
    try:
        with pid_file(options.pid_file):
            return (_work if options.worker else _submit)(options, servers, tls, token)
    except PidFileError as error:
        complain(str(error))
        return EXIT_USAGE


def _submit(
    options: GearmanOptions, servers: Sequence[ServerAddress], tls: SSLContext | None, token: str | None
) -> int:
    plain = PlainOutput(prefix=options.prefix, verbose=options.verbose)
    output: JobOutput = JsonOutput() if options.json else plain
    try:
        return JobRunner(options, servers, tls, token, output).run()
    except NoServerAvailable as error:
        complain(f"cannot reach {error}\n{START_HINT}")
    except ReplyTimeout as error:
        complain(str(error))
        return EXIT_TIMEOUT
    except LocalProtocolError as error:  # such as a unique that is too long
        complain(str(error))
        return EXIT_USAGE
    except GeartrainError as error:
        complain(str(error))
    return EXIT_NO_ANSWER


def _work(options: GearmanOptions, servers: Sequence[ServerAddress], tls: SSLContext | None, token: str | None) -> int:
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(format=f"{program_name()}: %(message)s", level=level)
    try:
        _check_names(servers)
        return CommandWorker(options, servers, tls, token).run()
    except GeartrainError as error:
        complain(str(error))
        return EXIT_USAGE


def _check_names(servers: Sequence[ServerAddress]) -> None:
    """Raise `UnknownServer` for a host that nobody knows: a worker would wait for it, and a slip go unnoticed."""
    for server in servers:
        try:
            if not server.path:
                socket.getaddrinfo(server.host, server.port)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "that is no name of a host"
            raise UnknownServer(f"{server}: {reason}") from error


if __name__ == "__main__":
    sys.exit(main())
