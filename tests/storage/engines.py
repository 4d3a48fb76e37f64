# SPDX-License-Identifier: MIT
"""Real database servers, each on a free port in a folder of its own, started and ended by the tests."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.job_servers import free_port

__all__ = ["Engine", "mariadb", "memcached", "postgres", "redis"]

PATIENCE = 60.0


class Engine:
    """A database server that can be killed and started again.

    Args:
        command: Starts it, in the foreground.
        log: The file of its messages.
        port: The port that it listens on.
        ready: Raises as long as it does not take connections.
        user: The user of its process, when root starts it.
        how: Ends it as if it had crashed.
        data: The folder of its data, which is removed after `running`.
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        port: int,
        ready: Callable[[], object],
        user: str | None = None,
        how: signal.Signals = signal.SIGKILL,
        data: Path | None = None,
    ) -> None:
        self.port = port
        self._data = data
        self._command = command
        self._log = log
        self._ready = ready
        self._how = how
        self._user = user if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it can be used."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, user=self._user, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._ready()
                return
            except Exception:  # noqa: BLE001  # each library has its own
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.kill()
                    pytest.fail(f"{self._command} did not start: {self._log.read_text()[-2000:]}")
                time.sleep(0.05)  # between two looks, not for anything to happen

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.send_signal(self._how)
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def running(self) -> Iterator["Engine"]:
        """Run it for the length of a block."""
        try:
            self.start()
            yield self
        finally:
            self.kill()
            if self._data is not None:
                shutil.rmtree(self._data)


def program(name: str, *places: str) -> str:
    """Return where a program is, or skip the test; in CI it has to be there."""
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"], "/usr/sbin"]))
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing")
        pytest.skip(f"{name} is not installed")
    return found


def answers(port: int, question: bytes = b"", answer: bytes = b"") -> Callable[[], None]:
    """Return a check that something listens on a port, and perhaps answers a question."""

    def check() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            if question:
                sock.sendall(question)
                assert sock.recv(100).startswith(answer)

    return check


def _data_of(user: str | None) -> Path:
    """Make a folder for the data of an engine that runs as a user.

    It is not one of pytest's, which root alone may enter: each start of a pytest makes sure of that, also while another
    one has an engine running.
    """
    data = Path(tempfile.mkdtemp(prefix="engine-"))
    if user is not None:
        shutil.chown(data, user, user)
    return data


def redis(folder: Path) -> Engine:
    """Return a Redis that syncs every command."""
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return Engine(command, folder / "log", port, answers(port, b"PING\r\n", b"+PONG"))


def memcached(folder: Path) -> Engine:
    """Return a memcached, which forgets everything when it ends."""
    port = free_port()
    command = [program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "256", "-M"]
    if os.geteuid() == 0:
        command.append("-unobody")
    return Engine(command, folder / "log", port, answers(port, b"version\r\n", b"VERSION"))


def postgres(folder: Path) -> Engine:
    """Return a PostgreSQL with a user and a database ``postgres``; no password on loopback."""
    places = sorted(str(found) for found in Path("/usr/lib/postgresql").glob("*/bin"))
    initdb, server = program("initdb", *places), program("postgres", *places)
    user = "postgres" if os.geteuid() == 0 else None
    data = _data_of(user)
    options = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]
    subprocess.run([initdb, "-D", data, *options], user=user, check=True, capture_output=True, cwd="/")
    port = free_port()
    command = [server, "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    # With `synchronous_commit = off` the log is written ten seconds later: a test kills the server before that.
    command += ["-c", "unix_socket_directories=", "-c", "wal_writer_delay=10s"]

    def ready() -> None:
        import psycopg

        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=5).close()

    # SIGKILL would leave its children, and they would keep the next one from starting; SIGQUIT is as unexpected to all.
    return Engine(command, folder / "log", port, ready, user, signal.SIGQUIT, data)


def mariadb(folder: Path) -> Engine:
    """Return a MariaDB with a database ``test`` and a user ``geartrain`` without a password."""
    install, server = program("mariadb-install-db"), program("mariadbd")
    user = "mysql" if os.geteuid() == 0 else None
    data = _data_of(user)
    quiet = ["--no-defaults", f"--datadir={data}"]
    subprocess.run(
        [install, *quiet, "--auth-root-authentication-method=normal", "--skip-test-db"],
        user=user,
        check=True,
        capture_output=True,
        cwd="/",
    )
    setup = data / "setup.sql"
    setup.write_text(
        "CREATE DATABASE IF NOT EXISTS test;\nCREATE USER IF NOT EXISTS geartrain@'%';\n"
        "GRANT ALL ON *.* TO geartrain@'%';\n"
    )
    if user is not None:
        shutil.chown(setup, user, user)
    port = free_port()
    command = [server, *quiet, "--bind-address=127.0.0.1", f"--port={port}", f"--socket={data}/s"]
    command += [f"--init-file={setup}", f"--pid-file={data}/pid", "--skip-name-resolve"]

    def ready() -> None:
        import pymysql

        pymysql.connect(host="127.0.0.1", port=port, user="geartrain", database="test", connect_timeout=5).close()

    return Engine(command, folder / "log", port, ready, user, data=data)
