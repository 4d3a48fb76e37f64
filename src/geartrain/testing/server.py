# SPDX-License-Identifier: MIT
"""A job server for a test: in a thread, there and gone in milliseconds, or as the real command."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from geartrain.server import Endpoint, Server, ServerOptions
from geartrain.server.config.values import NO_STORE
from geartrain.server.loop import new_event_loop

__all__ = ["RunningServer", "ServerProcess", "run_server"]

# Seconds that nothing takes unless it will take for ever.
_PATIENCE = 20.0

Started: TypeAlias = Future[tuple[Server, asyncio.AbstractEventLoop]]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens.

    Attributes:
        host: Its address.
        port: Its port.
    """

    host: str
    port: int

    @property
    def address(self) -> str:
        """Both, as clients and workers take them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@contextlib.contextmanager
def run_server(**options: object) -> Iterator[RunningServer]:
    """Run a server in a thread, on a free port of 127.0.0.1 and in memory unless the options say otherwise.

    Args:
        options: Those of `geartrain.server.ServerOptions`.
    """
    values = {"port": 0, "listen": (Endpoint("127.0.0.1"),), "store": NO_STORE, **options}
    chosen = ServerOptions(**values)  # type: ignore[arg-type]  # whoever names an option knows its type
    started: Started = Future()
    thread = threading.Thread(target=_run, args=(chosen, started), name="gearmand", daemon=True)
    thread.start()
    server, loop = started.result(_PATIENCE)
    first = server.addresses[0]
    try:
        yield RunningServer(first.host or first.path, first.port or 0)
    finally:
        with contextlib.suppress(RuntimeError):  # it has stopped already
            loop.call_soon_threadsafe(server.stop)
        thread.join(_PATIENCE)


def _run(options: ServerOptions, started: Started) -> None:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(options, started))


async def _serve(options: ServerOptions, started: Started) -> None:
    server = Server(options)
    try:
        await server.start()
    except BaseException as error:  # noqa: BLE001  # whoever waits for the start is to have it
        started.set_exception(error)
        return
    started.set_result((server, asyncio.get_running_loop()))
    await server.serve_until_stopped()


class ServerProcess:
    """The command ``gearmand``, running inside a ``with``.

    On entry it serves: it has said where it listens. It reads no configuration file of the machine and no variables,
    and keeps no jobs unless told where.

    Args:
        words: Options, besides a free port of 127.0.0.1.
        environment: Variables.

    Attributes:
        process: The process.
        lines: What it has logged so far.
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
        """Where it listens, as clients and workers take it."""
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
