# SPDX-License-Identifier: MIT
"""Running our commands without starting an interpreter for each: see `tests.forkserver`."""

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.forkserver import LENGTH

__all__ = ["GEARADMIN", "GEARMAN", "GEARMAND", "run_command"]

GEARMAN = (sys.executable, "-m", "geartrain.cli.gearman")
GEARADMIN = (sys.executable, "-m", "geartrain.cli.gearadmin")
GEARMAND = (sys.executable, "-m", "geartrain.cli.gearmand")

_FORKED = (GEARMAN, GEARADMIN, GEARMAND)


def run_command(
    command: Sequence[str],
    *,
    timeout: float,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end; our commands run in a fork of a process that has imported them.

    Args:
        command: The program and its arguments.
        timeout: Seconds after which it is killed.
        stdin: The data for its standard input.
        environment: Its environment; by default that of this process.

    Raises:
        subprocess.TimeoutExpired: It exceeded the timeout, and was killed.
    """
    chosen = dict(os.environ if environment is None else environment)
    if tuple(command[:3]) in _FORKED:
        return _run_forked(command, timeout, stdin, chosen)
    return subprocess.run(command, input=stdin, check=False, capture_output=True, env=chosen, timeout=timeout)


def _run_forked(
    command: Sequence[str], timeout: float, stdin: bytes, environment: dict[str, str]
) -> "subprocess.CompletedProcess[bytes]":
    ours, theirs = socket.socketpair()
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        ours,
    ):
        given.write(stdin)
        given.seek(0)
        told = {"module": command[2], "words": command[3:], "environment": environment, "folder": str(Path.cwd())}
        with theirs:
            streams = [given.fileno(), output.fileno(), errors.fileno()]
            _forkserver().fork(json.dumps(told).encode(), [*streams, theirs.fileno()])
        ours.settimeout(timeout)
        with ours.makefile("rb") as answers:
            pid = int(answers.readline())
            try:
                status = int(answers.readline())
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, timeout) from error
        for stream in (output, errors):
            stream.seek(0)
        return subprocess.CompletedProcess(command, status, output.read(), errors.read())


class _ForkServer:
    """The fork server of this process, which ends with it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        root = Path(__file__).parents[1]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forkserver"], stdin=theirs.fileno(), cwd=root
            )
        atexit.register(self._close)

    def fork(self, request: bytes, descriptors: Sequence[int]) -> None:
        with self._lock:
            socket.send_fds(self._socket, [LENGTH.pack(len(request))], descriptors)
            self._socket.sendall(request)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


_forkserver = functools.cache(_ForkServer)
