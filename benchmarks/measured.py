# SPDX-License-Identifier: MIT
"""A measured server process: its port, its CPU time and its memory."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["BenchmarkError", "MeasuredServer", "running", "version"]

_TIMEOUT = 20.0  # seconds for a server to start, or to end when asked


class BenchmarkError(Exception):
    """The measurement failed, for the given reason."""


class MeasuredServer:
    """A server process with a port of its own."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def cpu_seconds(self) -> float:
        """The CPU that it has used, user and system time of all threads."""
        return sum(_cpu_seconds(pid) for pid in _family(self.pid))

    def rss_mib(self) -> float:
        """The memory that it holds."""
        return sum(_rss_kib(pid) for pid in _family(self.pid)) / 1024


@contextlib.contextmanager
def running(command: str, *, start_timeout: float = _TIMEOUT) -> Iterator[MeasuredServer]:
    """Run a server during a block, in a temporary folder and on a free port.

    Args:
        command: The command. It stays in the foreground, listens on ``{port}`` and may write to ``{folder}``.
        start_timeout: Seconds until it has to listen.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, (Path(folder) / "log").open("w+b") as log:
        words = shlex.split(command.format(port=port, folder=folder))
        if shutil.which(words[0]) is None:
            raise BenchmarkError(
                f"there is no {words[0]} to measure; Debian's server comes with: apt-get install gearman-job-server"
            )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GEARMAND_")}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            if not _listens(process, port, start_timeout):
                log.seek(0)
                raise BenchmarkError(f"this did not start to listen: {command}\n{log.read().decode(errors='replace')}")
            yield MeasuredServer(process.pid, port)
        finally:
            _end(process)


def version(command: str) -> str:
    """Return the version that a server prints."""
    words = shlex.split(command)
    program = words[:3] if words[1:2] == ["-m"] else words[:1]
    try:
        done = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True, timeout=_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return Path(program[0]).name  # it has no such option
    lines = [line.partition(" - http")[0].strip() for line in done.stdout.splitlines()]
    return ", ".join(line for line in lines if line)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(process: subprocess.Popen[bytes], port: int, timeout: float) -> bool:
    """Wait until a server can be reached; tell whether it can."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), _TIMEOUT).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid] + [descendant for child in children for descendant in _family(int(child))]


def _cpu_seconds(pid: int) -> float:
    """Read the CPU clock of a process; the one in /proc has a resolution of only 10 ms."""
    return time.clock_gettime(~pid << 3 | 2)


def _rss_kib(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0
