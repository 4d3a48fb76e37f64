# SPDX-License-Identifier: MIT
"""Programs of other projects as processes that a test feeds, reads and stops."""

import functools
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import pytest

from tests.commands import GEARADMIN, GEARMAN, run_command
from tests.job_servers import needs

__all__ = [
    "OUR_ADMIN",
    "OUR_TOOL",
    "TIMEOUT",
    "PEERS",
    "THEIR_ADMIN",
    "THEIR_TOOL",
    "Program",
    "Result",
    "compiled",
    "node",
    "ours_and_theirs",
    "perl",
    "php",
    "python",
    "run",
]

TIMEOUT = 60.0  # seconds; only a failure takes as long
PEERS = Path(__file__).with_name("peers")

OUR_TOOL = [*GEARMAN]
OUR_ADMIN = [*GEARADMIN]
THEIR_TOOL = ["/usr/bin/gearman"]
THEIR_ADMIN = ["/usr/bin/gearadmin"]

# The libraries that install-peers installs from other sources than Debian.
_CACHE = Path(__file__).parents[2] / ".venv-peers"

Result = subprocess.CompletedProcess[bytes]

ours_and_theirs = pytest.mark.parametrize("tool", [OUR_TOOL, THEIR_TOOL], ids=["ours", "theirs"])


def run(command: list[str], *words: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Result:
    """Run a program to its end."""
    _check(command)
    return run_command([*command, *words], stdin=stdin, environment=_environment(environment), timeout=TIMEOUT)


class Program:
    """A program that runs inside a ``with`` statement, and whose output is read all the time.

    Attributes:
        lines: The lines that it has printed so far.
        errors: The lines that it has printed to stderr.
    """

    def __init__(self, command: list[str], *words: str, environment: Mapping[str, str] | None = None) -> None:
        _check(command)
        self._command = [*command, *words]
        self._environment = _environment(environment)
        self._changed = threading.Condition()
        self._open = 2
        self.lines: list[str] = []
        self.errors: list[str] = []
        self.process: subprocess.Popen[bytes]
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> "Program":
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment, bufsize=0, process_group=0
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for stream, lines in ((self.process.stdout, self.lines), (self.process.stderr, self.errors)):
            reader = threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            reader.start()
            self._readers.append(reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)  # its children too
        self.process.wait(TIMEOUT)
        for reader in self._readers:
            reader.join(TIMEOUT)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def write(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    def wait_for_line(self, part: str) -> str:
        """Wait for the first line that contains ``part``, and return it.

        Raises:
            AssertionError: The program ended, or the timeout is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._find(part) is not None or not self._open, TIMEOUT)
        found = self._find(part)
        if found is None:
            raise AssertionError(f"{self._command} printed no line with {part!r}: {self.lines}, {self.errors}")
        return found

    def wait(self) -> int:
        """Wait until it has ended and all of its output is read; return the exit status."""
        code = self.process.wait(TIMEOUT)
        for reader in self._readers:
            reader.join(TIMEOUT)
        return code

    def _find(self, part: str) -> str | None:
        return next((line for line in (*self.lines, *self.errors) if part in line), None)

    def _read(self, stream: IO[bytes], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    lines.append(line.decode(errors="backslashreplace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


def php(script: str) -> list[str]:
    """Return the command for a PHP script; without PHP skip the test, or fail in CI."""
    _must("php-cli with php-gearman", _works("php", "-r", "exit(extension_loaded('gearman') ? 0 : 1);"))
    return ["php", str(PEERS / script)]


def perl(script: str) -> list[str]:
    """Return the command for a Perl script; without the modules skip the test, or fail in CI."""
    _must("libgearman-client-perl", _works("perl", "-MGearman::Client", "-MGearman::Worker", "-e", "1"))
    return ["perl", str(PEERS / script)]


def python(script: str, module: str) -> list[str]:
    """Return the command for a script that uses a library from PyPI, or skip the test."""
    interpreter = str(_CACHE / "bin" / "python")
    if not _works(interpreter, "-c", f"import {module}"):
        pytest.skip(f"{module} is not installed; see tests/interop/install-peers")
    return [interpreter, str(PEERS / script)]


def node(script: str, module: str) -> list[str]:
    """Return the command for a script that uses a library from npm, or skip the test."""
    if not (_works("node", "--version") and (_CACHE / "node_modules" / module).is_dir()):
        pytest.skip(f"{module} is not installed; see tests/interop/install-peers")
    return ["env", f"NODE_PATH={_CACHE / 'node_modules'}", "node", str(PEERS / script)]


def compiled(source: str, directory: Path, library: str) -> list[str]:
    """Compile a C program and return its command; without compiler or library skip the test, or fail in CI."""
    include = f"#include <lib{library}/{library}.h>"
    _must(f"gcc with lib{library}-dev", _works("sh", "-c", f"echo '{include}' | gcc -E -"))
    program = directory / Path(source).stem
    done = subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-o", program, PEERS / source, f"-l{library}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return [str(program)]


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GEARMAN")}
    return inherited | dict(more or {})


def _check(command: list[str]) -> None:
    if command[0] in (*THEIR_TOOL, *THEIR_ADMIN):
        needs(command[0])


def _must(what: str, is_there: bool) -> None:
    if not is_there:
        if os.environ.get("CI"):
            pytest.fail(f"{what} is missing; run tests/interop/install-peers as root")
        pytest.skip(f"{what} is not installed; see tests/interop/install-peers")


@functools.cache
def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=TIMEOUT).returncode == 0
    except OSError:
        return False
