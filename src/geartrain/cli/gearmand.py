# SPDX-License-Identifier: MIT
"""``gearmand``: the job server as a process.

The order of the steps matters, because a server may start as root and switch to another user::

    options → file descriptors → background → log → pid file        as the user who called it
            → certificates → ports                                  the last steps that may need root's rights
            → user                                                  those rights are given up for good
            → accepting → "ready" to the caller

So ports below 1024, sockets in folders of root and keys that only root can read work together with ``--user``. An error
in any step reaches the caller: a line on its standard error output, and exit status 1.
"""

import asyncio
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from geartrain._version import __version__
from geartrain.cli.output import error as print_error
from geartrain.cli.output import usage_error
from geartrain.core import IS_COMPILED, Durability
from geartrain.errors import GeartrainError
from geartrain.server import Server
from geartrain.server.config.kinds import UsageError
from geartrain.server.config.sources import Invocation, read
from geartrain.server.durability.foreign import refuse_queue
from geartrain.server.durability.store import check_store
from geartrain.server.levels import Level
from geartrain.server.listen.tls import tls_context
from geartrain.server.loop import new_event_loop
from geartrain.server.options import GearmandOptions
from geartrain.server.process.daemonize import daemonize
from geartrain.server.process.default_paths import DefaultPaths, make_folder
from geartrain.server.process.logs import LogSetup
from geartrain.server.process.pidfile import PidFile
from geartrain.server.process.privileges import (
    ProcessError,
    allow_descriptors,
    check_may_switch_to,
    ids_of,
    switch_to,
)
from geartrain.server.process.reload import Reloader
from geartrain.server.process.systemd import Notifier, inherited_sockets

__all__ = ["main"]

log = logging.getLogger("geartrain.server")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; ``words`` are those behind its name."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["store"]:
        from geartrain.cli import store  # a server does without it

        return store.main(words[1:])
    read_again = functools.partial(read, words, os.environ)
    try:
        invocation = read_again()
        if invocation.command == "help":
            _print_help()
        elif invocation.command == "version":
            print(f"\ngearmand {__version__} - Geartrain\n{_build()}")
        else:
            _check(invocation.options)
            if invocation.command == "check-args":
                _check_store(invocation.options)
                for warning in invocation.warnings:
                    print_error(warning)
            else:
                _run(invocation, read_again)
    except UsageError as error:
        usage_error(str(error))
    except GeartrainError as error:
        print_error(str(error))
    else:
        return 0
    return 1


def _print_help() -> None:
    from geartrain.cli.gearmand_page import PAGE
    from geartrain.cli.page import help_text

    print(help_text(PAGE), end="")


def _build() -> str:
    """Return the first facts that a report of a bug needs."""
    import platform

    how = "compiled" if IS_COMPILED else "interpreted"
    return f"{how}, {platform.python_implementation()} {platform.python_version()}"


def _check(options: GearmandOptions) -> None:
    """Raise the errors that the start would raise, as far as they can be found without starting."""
    if options.user is not None:
        check_may_switch_to(options.user, os.geteuid())
    tls_context(options, options.access)


def _check_store(options: GearmandOptions) -> None:
    """Raise an error for a store that cannot be opened, as far as that can be told without opening it."""
    if options.store is not None and options.durability is not Durability.NONE:
        check_store(options.store)


def _run(invocation: Invocation, read_again: Callable[[], Invocation]) -> None:
    """Serve until a signal or a text command ends it."""
    options = invocation.options
    owner = ids_of(options.user) if options.user is not None else None
    notifier = Notifier(os.environ)
    sockets = inherited_sockets(os.environ)
    descriptors = allow_descriptors(options.file_descriptors)
    notify_parent = daemonize() if options.daemon else _do_nothing
    paths = DefaultPaths.of_process()
    with contextlib.ExitStack() as stack:
        log_setup = _start_log(options, paths, owner)
        stack.callback(log_setup.stop)
        for warning in invocation.warnings:
            log.warning("%s", warning)
        if descriptors != options.file_descriptors:
            log.warning("%d file descriptors are too few; %d are allowed", options.file_descriptors, descriptors)
        if options.user is not None and options.store is None:
            make_folder(paths.store_file(options.port), owner)
        pid_file = _pid_file(options, paths, owner)
        try:
            if pid_file is not None:
                stack.enter_context(PidFile(pid_file))
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                server = Server(options, sockets=sockets)
                reloader = Reloader(server, log_setup, invocation, read_again)
                is_stuck = runner.run(_serve(server, options, reloader, notifier, notify_parent))
        except GeartrainError as error:
            if log_setup.is_file:  # on standard error output it would be there twice
                log.log(Level.FATAL, "%s", error)
            raise
    if is_stuck:
        os._exit(1)  # a normal exit would wait for the thread that waits for the store


def _start_log(options: GearmandOptions, paths: DefaultPaths, owner: tuple[int, int] | None) -> LogSetup:
    """Set up the log; if its file cannot be opened, a server in the foreground logs to standard error output."""
    destination = options.log_file or "stderr"
    if options.log_file is None and options.daemon:
        destination = make_folder(paths.log_file(), owner)
    setup = LogSetup(
        destination, level=options.verbose, format=options.log_format, to_syslog=options.syslog, owner=owner
    )
    try:
        setup.start()
    except OSError as error:
        problem = f"Could not open the log file {destination}: {error.strerror}"
        if options.daemon:
            raise ProcessError(problem) from error
        print_error(f"{problem}; logging to stderr")
        return _start_log(dataclasses.replace(options, log_file="stderr"), paths, owner)
    return setup


def _pid_file(options: GearmandOptions, paths: DefaultPaths, owner: tuple[int, int] | None) -> str | None:
    if options.pid_file is None and options.daemon:
        return make_folder(paths.pid_file(options.port), owner)
    return options.pid_file


async def _serve(
    server: Server,
    options: GearmandOptions,
    reloader: Reloader,
    notifier: Notifier,
    notify_parent: Callable[[], None],
) -> bool:
    """Serve to the end. Return whether a thread still waits for the store."""
    loop = asyncio.get_running_loop()
    start = loop.create_task(_start(server, options))

    def drain(number: signal.Signals) -> None:
        if start.done():
            notifier.stopping("Waiting for jobs that run", _longest_stop(options))
            server.drain(reason=number.name)
        else:
            start.cancel(number.name)

    def finish(number: signal.Signals) -> None:
        if start.done():
            server.stop(graceful=True, reason=number.name)
        else:
            start.cancel(number.name)

    def reload(_: signal.Signals) -> None:
        notifier.reloading()
        reloader.reload()
        if start.done():
            notifier.ready(_status(server))

    for number, act in (
        (signal.SIGTERM, drain),
        (signal.SIGINT, drain),
        (signal.SIGUSR1, finish),
        (signal.SIGHUP, reload),
    ):
        loop.add_signal_handler(number, act, number)
    try:
        await start
    except asyncio.CancelledError as error:
        log.log(Level.NOTICE, "Stopped by %s before the start was complete", *(error.args or ("this program",)))
        return False
    reloader.begin()
    _calm_collector()
    await server.check()
    notify_parent()
    notifier.ready(_status(server))
    watchdog = loop.create_task(notifier.watch(server.check))
    await server.serve_until_stopped()
    watchdog.cancel()
    return server.is_stuck


def _longest_stop(options: GearmandOptions) -> float:
    """Return the seconds that stopping takes at most, with a few to spare."""
    return options.drain_timeout + options.store_close_timeout + options.flush_timeout + _SPARE


_SPARE = 4.0  # seconds


def _status(server: Server) -> str:
    return f"Listening on {', '.join(map(str, server.addresses))}"


async def _start(server: Server, options: GearmandOptions) -> None:
    await server.bind()
    try:
        if options.user is not None:
            switch_to(options.user)
        if not await refuse_queue(options.store, options):
            await server.open_store()  # which waits for a database that is starting
            await refuse_queue(options.store, options)
        await server.start()
    except BaseException:
        await server.close()
        raise


def _calm_collector() -> None:
    """Keep the collector of cyclic garbage from stopping the server.

    There are no cycles in the core, and connections leave none, so any garbage is young. A collection of the oldest
    generation would look at every queued job, half a second for a million of them, and find nothing; it comes after a
    million of the younger ones, which is never. Those look at 100,000 new objects at most, some milliseconds.
    """
    gc.collect()
    gc.freeze()
    # The transports of the standard loop are cycles, seven objects each, and may be old when they end.
    leaves_cycles = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    gc.set_threshold(10_000, 10, 10 if leaves_cycles else 1_000_000)


def _do_nothing() -> None:
    """There is no parent to notify."""


if __name__ == "__main__":
    sys.exit(main())
