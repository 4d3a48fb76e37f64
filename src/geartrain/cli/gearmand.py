# SPDX-License-Identifier: MIT
"""``gearmand``: the job server as a process.

What happens in which order matters, because a server may start as root to become somebody else::

    options → file descriptors → to the background → log → pid file        still as whoever called
            → certificates → ports                                         all that may need root's rights
            → user                                                         given up for good
            → accepting → "ready" to the caller

So ports below 1024, sockets in folders of root and keys that only root can read work together with ``--user``. Whatever
fails before the end fails for the caller to see: a line on its standard error output, and exit code 1.
"""

import asyncio
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence

from geartrain._version import __version__
from geartrain.cli import store
from geartrain.core import IS_COMPILED
from geartrain.errors import GeartrainError
from geartrain.server import Server
from geartrain.server.config.options import GearmandOptions
from geartrain.server.config.sources import Invocation, read
from geartrain.server.config.usage import usage
from geartrain.server.daemon import detach
from geartrain.server.logs import Level, LogSetup
from geartrain.server.loop import new_event_loop
from geartrain.server.pidfile import PidFile
from geartrain.server.places import default_log_file, default_pid_file, default_store_file, make_room
from geartrain.server.process import ProcessError, allow_descriptors, become, check_may_become, ids_of
from geartrain.server.reloader import Reloader
from geartrain.server.server import tls_context
from geartrain.server.supervision import Supervisor, inherited_sockets

__all__ = ["main"]

log = logging.getLogger("geartrain.server")

# Seconds that stopping takes at most when draining is over: for the store, and for what is on its way to peers.
_LAST_STEPS = 35.0


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``words`` are those behind its name."""
    program = sys.argv[0]
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["store"]:
        return store.main(words[1:])
    read_again = functools.partial(read, words, os.environ)
    try:
        invocation = read_again()
        if invocation.command == "help":
            print(usage(), end="")
        elif invocation.command == "version":
            print(f"\ngearmand {__version__} - Geartrain\n{_build()}")
        else:
            _check(invocation.options)
            if invocation.command == "check-args":
                for warning in invocation.warnings:
                    print(f"{program}: {warning}", file=sys.stderr)
            else:
                _run(invocation, program, read_again)
    except GeartrainError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    return 0


def _build() -> str:
    """Return what whoever asks for help would be asked first."""
    how = "compiled" if IS_COMPILED else "interpreted"
    return f"{how}, {platform.python_implementation()} {platform.python_version()}"


def _check(options: GearmandOptions) -> None:
    """Raise what the start would raise, as far as it can be known without starting."""
    if options.user is not None:
        check_may_become(options.user)
    tls_context(options)


def _run(invocation: Invocation, program: str, read_again: Callable[[], Invocation]) -> None:
    """Serve until a signal or a text command ends it."""
    options = invocation.options
    owner = ids_of(options.user) if options.user is not None else None
    supervisor = Supervisor(os.environ)
    sockets = inherited_sockets(os.environ)
    allow_descriptors(options.file_descriptors)
    serves = detach() if options.daemon else _do_nothing
    with contextlib.ExitStack() as stack:
        log_setup = _start_log(options, owner, program)
        stack.callback(log_setup.stop)
        for warning in invocation.warnings:
            log.warning("%s", warning)
        if options.user is not None and options.store is None:
            make_room(default_store_file(os.environ, options.port), owner)
        pid_file = _pid_file(options, owner)
        try:
            if pid_file is not None:
                stack.enter_context(PidFile(pid_file))
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                server = Server(options, sockets=sockets)
                reloader = Reloader(server, log_setup, invocation, read_again)
                is_stuck = runner.run(_serve(server, options, reloader, supervisor, serves))
        except GeartrainError as error:
            if log_setup.is_file:  # on standard error output it would be said twice
                log.log(Level.FATAL, "%s", error)
            raise
    if is_stuck:
        os._exit(1)  # an exit in good form would wait for the thread that waits for the store


def _start_log(options: GearmandOptions, owner: tuple[int, int] | None, program: str) -> LogSetup:
    """Begin to log. If a file cannot be opened, standard error output has to do; a daemon has none."""
    destination = options.log_file or "stderr"
    if options.log_file is None and options.daemon:
        destination = make_room(default_log_file(os.environ), owner)
    setup = LogSetup(
        destination, level=options.verbose, format=options.log_format, to_syslog=options.syslog, owner=owner
    )
    try:
        setup.start()
    except OSError as error:
        problem = f"Could not open the log file {destination}: {error.strerror}"
        if options.daemon:
            raise ProcessError(problem) from error
        print(f"{program}: {problem}; logging to stderr", file=sys.stderr)
        return _start_log(dataclasses.replace(options, log_file="stderr"), owner, program)
    return setup


def _pid_file(options: GearmandOptions, owner: tuple[int, int] | None) -> str | None:
    if options.pid_file is None and options.daemon:
        return make_room(default_pid_file(os.environ, options.port), owner)
    return options.pid_file


async def _serve(
    server: Server, options: GearmandOptions, reloader: Reloader, supervisor: Supervisor, serves: Callable[[], None]
) -> bool:
    """Serve to the end. Return whether a thread is left that waits for the store."""
    loop = asyncio.get_running_loop()
    start = loop.create_task(_start(server, options))

    def drain() -> None:
        if start.done():
            supervisor.stopping("Waiting for jobs that run", options.drain_timeout + _LAST_STEPS)
            server.drain()
        else:
            start.cancel()

    def finish() -> None:
        if start.done():
            server.stop(graceful=True)
        else:
            start.cancel()

    def reload() -> None:
        supervisor.reloading()
        reloader.reload()
        if start.done():
            supervisor.ready(_status(server))

    for number, act in (
        (signal.SIGTERM, drain),
        (signal.SIGINT, drain),
        (signal.SIGUSR1, finish),
        (signal.SIGHUP, reload),
    ):
        loop.add_signal_handler(number, act)
    try:
        await start
    except asyncio.CancelledError:
        log.log(Level.NOTICE, "Stopped before the start was complete")
        return False
    reloader.begin()
    _calm_collector()
    serves()
    supervisor.ready(_status(server))
    supervisor.watch()
    await server.serve_until_stopped()
    return server.is_stuck


def _status(server: Server) -> str:
    return f"Listening on {', '.join(map(str, server.addresses))}"


async def _start(server: Server, options: GearmandOptions) -> None:
    await server.bind()
    try:
        if options.user is not None:
            become(options.user)
        await server.start()
    except BaseException:
        await server.close()
        raise


def _calm_collector() -> None:
    """Keep the collector of cyclic garbage from stopping the server.

    There are no cycles in core, and connections leave none, so all that there is to find is young. A collection of the
    oldest generation would look at every queued job, half a second for a million of them, and find nothing; it comes
    after a million of the younger ones, which is never. Those look at 100,000 new objects at most, some milliseconds.
    """
    gc.collect()
    gc.freeze()
    # The transports of the standard loop are cycles, seven objects each, and may be old when they end.
    leaves_cycles = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    gc.set_threshold(10_000, 10, 10 if leaves_cycles else 1_000_000)


def _do_nothing() -> None:
    """There is nobody to be told."""


if __name__ == "__main__":
    sys.exit(main())
