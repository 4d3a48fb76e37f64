# SPDX-License-Identifier: MIT
"""Real job servers for tests: Debian's gearmand, and ours."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

__all__ = ["GEARMAND", "Gearmand", "free_port", "needs", "server"]

GEARMAND = "/usr/sbin/gearmand"

_RESERVED: list[socket.socket] = []  # until the tests end


def needs(program: str) -> str:
    """Return a Debian program; if it is missing, skip the test, or fail in CI."""
    if not Path(program).exists():
        if os.environ.get("CI"):
            pytest.fail(f"{program} is missing; run tests/interop/install-peers as root")
        pytest.skip(f"{program} is not installed")
    return program


def free_port() -> int:
    """Return a free port, reserved until the tests end.

    It stays bound to a socket that does not listen: connections are refused, the system gives the port to no other
    program, and a server with this port can still bind to it, any number of times.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    _RESERVED.append(sock)
    port: int = sock.getsockname()[1]
    return port


class Gearmand:
    """A gearmand process on a port of its own, which can be killed and started again."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._command = [needs(GEARMAND), "-p", str(self.port), "-L", "127.0.0.1", "-l", "stderr", "--verbose", "INFO"]
        self._command += ["-P", str(directory / f"gearmand-{self.port}.pid"), *options]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        self._process = process
        assert process.stderr is not None
        for line in process.stderr:
            if f"Listening on 127.0.0.1:{self.port}" in line:
                break
        else:
            pytest.fail(f"{self._command} did not start")
        # The log must be read, or the server would block.
        self._drain = threading.Thread(target=_read_all, args=(process.stderr,), daemon=True)
        self._drain.start()

    def has_crashed(self) -> bool:
        """Wait until it has ended by itself; return True if it exited with a status, as after a crash."""
        assert self._process is not None, "it was started"
        return self._process.wait(60.0) != 0

    def kill(self) -> None:
        """Kill it."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
            self._drain.join()
            self._process = None

    @contextmanager
    def running(self) -> "Iterator[Gearmand]":
        """Run it during a block."""
        self.start()
        try:
            yield self
        finally:
            self.kill()


def _read_all(stream: IO[str]) -> None:
    with stream:
        stream.read()


@pytest.fixture(params=[pytest.param("gearmand", marks=pytest.mark.interop), "ours"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a server of either kind."""
    if request.param == "gearmand":
        with Gearmand(tmp_path).running() as gearmand:
            yield gearmand.address
    else:
        testing = pytest.importorskip("geartrain.testing.server")
        with testing.run_server() as ours:
            yield str(ours.address)
