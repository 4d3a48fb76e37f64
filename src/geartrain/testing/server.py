# SPDX-License-Identifier: MIT
"""A job server for a test: in a thread, started in milliseconds, or as the real command."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeAlias, TypeVar

from geartrain.server import Endpoint, Server, ServerOptions
from geartrain.server.durability.store import NO_STORE
from geartrain.server.loop import new_event_loop

__all__ = ["RunningServer", "ServerProcess", "local_options", "run_server", "serve_in_thread"]

# Seconds after which a step counts as stuck.
_PATIENCE = 20.0

T = TypeVar("T")
Started: TypeAlias = Future[tuple[Server, asyncio.AbstractEventLoop]]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens, in a thread.

    Attributes:
        host: Its address.
        port: Its port.
        server: The server; its methods must be called in its thread, as by `call`.
    """

    host: str
    port: int
    server: Server = field(repr=False)
    _loop: asyncio.AbstractEventLoop = field(repr=False)

    @property
    def address(self) -> str:
        """Host and port, as clients and workers take them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def call(self, function: Callable[[Server], T]) -> T:
        """Call a function with the server in the server's thread, and return its result."""

        async def call() -> T:
            return function(self.server)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(_PATIENCE)


def run_server(**options: object) -> AbstractContextManager[RunningServer]:
    """Run a server in a thread, on a free port of 127.0.0.1 and in memory unless the options say otherwise.

    Args:
        options: The options of `geartrain.server.ServerOptions`.
    """
    return serve_in_thread(lambda: Server(local_options(**options)))


def local_options(**options: object) -> ServerOptions:
    """Return options with a free port of 127.0.0.1 and without a store, unless they say otherwise."""
    values = {"port": 0, "listen": (Endpoint("127.0.0.1"),), "store": NO_STORE, **options}
    return ServerOptions(**values)  # type: ignore[arg-type]  # the caller knows the type of an option


@contextlib.contextmanager
def serve_in_thread(
    make: Callable[[], Server], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop
) -> Iterator[RunningServer]:
    """Run a server in a thread that the caller makes, for example with its own store or clock.

    Args:
        make: Makes the server, in the thread.
        loop_factory: Makes its event loop.
    """
    started: Started = Future()

    async def serve() -> None:
        server = make()
        try:
            await server.start()
        except BaseException as error:  # noqa: BLE001  # the caller waits for the start, and gets the error
            started.set_exception(error)
            return
        started.set_result((server, asyncio.get_running_loop()))
        await server.serve_until_stopped()

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="gearmand", daemon=True)
    thread.start()
    server, loop = started.result(_PATIENCE)
    first = server.addresses[0]
    try:
        yield RunningServer(first.host or first.path, first.port or 0, server, loop)
    finally:
        with contextlib.suppress(RuntimeError):  # it has stopped already
            loop.call_soon_threadsafe(server.stop)
        thread.join(_PATIENCE)


class ServerProcess:
    """The command ``gearmand``, running inside a ``with``.

    On entry it listens. It reads no configuration file of the machine and no variables, and keeps no jobs unless an
    option names a store.

    Args:
        words: Options, in addition to a free port of 127.0.0.1.
        environment: Variables.

    Attributes:
        process: The process.
        lines: The log so far.
    """

    def __init__(self, *words: str, environment: dict[str, str] | None = None) -> None:
        options = list(words)
        if not any(word.startswith(("-p", "--port")) for word in words):
            options += ["--port=0"]
        if not any(word.startswith(("-L", "--listen")) for word in words):
            options += ["--listen=127.0.0.1"]
        if not any(word.startswith("--config-file") for word in words):
            options += [f"--config-file={os.devnull}"]
        self._options = options
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GEARMAND_")}
        self._environment = inherited | {"GEARMAND_STORE": "none"} | (environment or {})
        self.process: subprocess.Popen[str]
        self.lines: list[str] = []
        self._has_ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="log of gearmand", daemon=True)

    def __enter__(self) -> "ServerProcess":
        command = [sys.executable, "-m", "geartrain.cli.gearmand", *self._options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self._environment
        )
        self._reader.start()
        try:
            self.wait_for_line("Listening on")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    @property
    def port(self) -> int:
        """The first port that it listens on."""
        found = re.search(r"Listening on \S*:(\d+) ", self.wait_for_line("Listening on"))
        return int(found[1]) if found else 0

    @property
    def address(self) -> str:
        """The address that it listens on, as clients and workers take it."""
        return f"127.0.0.1:{self.port}"

    def wait_for_line(self, part: str) -> str:
        """Return the first line of the log that contains ``part``, once it is there.

        Raises:
            AssertionError: The process ended, or nothing came for a long time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._find(part) or self._has_ended, _PATIENCE):
                raise AssertionError(f"no line with {part!r} in {self.lines}")
        found = self._find(part)
        if found is None:
            raise AssertionError(f"it ended without a line with {part!r}: {self.lines}")
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code when the process has ended."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code when the process has ended."""
        code = self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        return code

    def _find(self, part: str) -> str | None:
        return next((line for line in self.lines if part in line), None)

    def _read(self) -> None:
        assert self.process.stderr is not None, "it was asked for"
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stderr is not None, "it was asked for"
        self.process.stderr.close()
