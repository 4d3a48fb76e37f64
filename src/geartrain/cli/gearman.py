# SPDX-License-Identifier: MIT
"""The command `gearman`: submits jobs, or registers a command as a function of a job server (protocol 4).

Scripts call it for single jobs, so it imports no more than it uses, and a test holds that to a list.
"""

import sys
from collections.abc import Sequence

from geartrain.cli.gearman_options import GearmanOptions, read_options
from geartrain.cli.interrupt import end_on_interrupt
from geartrain.cli.options import UsageError
from geartrain.cli.output import discard_stdout, error, print_version, reason, usage_error
from geartrain.errors import GeartrainError, UnsupportedPlatform

__all__ = ["main"]

EXIT_USAGE = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    except UsageError as problem:
        usage_error(str(problem))
        return EXIT_USAGE
    except BrokenPipeError:
        discard_stdout()
        return EXIT_USAGE


def _main(arguments: Sequence[str]) -> int:
    options = read_options(arguments)
    if options.help:
        from geartrain.cli.gearman_page import PAGE
        from geartrain.cli.page import help_text

        print(help_text(PAGE), end="")
        return 0
    if options.version:
        print_version("gearman")
        return 0
    return _start(options)


def _start(options: GearmanOptions) -> int:
    if options.worker:
        from geartrain.cli.gearman_worker import prepare
    else:
        from geartrain.cli.gearman_client import prepare

        end_on_interrupt()
    try:
        run = prepare(options)
    except (ValueError, OSError, GeartrainError) as problem:
        error(reason(problem))
        return EXIT_USAGE
    if not options.detach and options.pid_file is None:
        return run()
    from geartrain.cli.process import PidFileError, detach, pid_file

    try:
        if options.detach and not detach():
            return 0
        with pid_file(options.pid_file):
            return run()
    except (PidFileError, UnsupportedPlatform) as problem:
        error(str(problem))
        return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
