# SPDX-License-Identifier: MIT
"""A bare Debian in a folder, with Python, venv, make and git, and terminals in it.

It has its own processes, its own /tmp and its own loopback network, so that it does not meet the servers of this
machine. Packages come from this machine's sources: it gets the settings of apt and pip, certificates and proxies.
"""

import contextlib
import os
import queue
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

__all__ = ["BareMachine", "MachineError", "Terminal", "make_machine", "obstacle"]

PACKAGES: Final = ("python3", "python3-venv", "make", "git", "ca-certificates")
# Names of environment variables that lead to packages.
_SETTINGS: Final = re.compile(r"PIP_\w+|(?:https?|HTTPS?|no|NO)_(?:proxy|PROXY)|SSL_CERT_\w+|REQUESTS_CA_BUNDLE")
_PLACES: Final = (
    "/etc/apt/apt.conf.d",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/trusted.gpg.d",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
    "/usr/share/keyrings",
)
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TIMEOUT: Final = 120.0  # seconds for a command, if the step does not give more


class MachineError(Exception):
    """The machine cannot be made, or a command in it failed."""


def obstacle() -> str | None:
    """Return the reason why no machine can be made here, or None."""
    if os.geteuid() != 0:
        return "it takes root"
    for program in ("debootstrap", "unshare", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else f"the system forbids it: {done.stderr.decode().strip()}"


class Terminal:
    """A shell in a machine, whose output is collected and written to a log.

    Args:
        name: Its name in the log.
        command: The shell.
        log: Gets everything that is typed and printed.
    """

    def __init__(self, name: str, command: list[str], log: IO[str]) -> None:
        self._name = name
        self._log = log
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._shell = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, command: str) -> None:
        """Type a command that keeps the terminal busy."""
        self._write(f"{self._name}$ {command}")
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{command}\n")
        self._shell.stdin.flush()

    def run(self, commands: str, timeout: float = TIMEOUT) -> str:
        """Type commands, wait for the end of the last one, and return the output.

        Raises:
            MachineError: It failed, or did not end.
        """
        mark = f"end-{secrets.token_hex(8)}"
        self.start(commands.rstrip())
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"echo {mark} $?\n")
        self._shell.stdin.flush()
        printed = []
        while True:
            try:
                line = self._lines.get(timeout=timeout)
            except queue.Empty:
                raise MachineError(f"{self._name}: nothing was printed for {timeout:g} s by: {commands}") from None
            if line is None:
                raise MachineError(f"{self._name}: the terminal closed during: {commands}")
            before, found, status = line.partition(mark)
            printed.append(before if found else line)
            if found and int(status) == 0:
                return "".join(printed)
            if found:
                raise MachineError(f"{self._name}: exit status {status.strip()} of: {commands}\n{''.join(printed)}")

    def wait_for(self, part: str, timeout: float = TIMEOUT) -> None:
        """Wait for a line of a command that keeps running.

        Raises:
            MachineError: No such line came.
        """
        while True:
            try:
                line = self._lines.get(timeout=timeout)
            except queue.Empty:
                line = None
            if line is None:
                raise MachineError(f"{self._name}: {part!r} was not printed")
            if part in line:
                return

    def close(self) -> None:
        """End the shell and everything in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait()
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()

    def _read(self) -> None:
        assert self._shell.stdout is not None
        with self._shell.stdout as stream:
            for line in stream:
                if not line.startswith("end-"):
                    self._write(line.rstrip("\n"))
                self._lines.put(line)
        self._lines.put(None)

    def _write(self, line: str) -> None:
        self._log.write(f"{line}\n")
        self._log.flush()


class BareMachine:
    """A running machine.

    Args:
        root: Its root folder.
        log: Gets all commands and their output.
    """

    def __init__(self, root: Path, log: IO[str]) -> None:
        self.root = root
        self._log = log
        self._settings = {name: value for name, value in os.environ.items() if _SETTINGS.fullmatch(name)}
        self._terminals: list[Terminal] = []
        self._first = 0

    @contextlib.contextmanager
    def running(self) -> Iterator["BareMachine"]:
        """Run it for the length of a block."""
        folders = self._linked_folders()
        for folder in folders:
            (self.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"]
        command += [sys.executable, str(Path(__file__).with_name("holder.py")), str(self.root), *folders]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            try:
                if holder.stdout.readline() != "ready\n":
                    raise MachineError("the machine did not start")
                children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
                self._first = int(children[0])
                yield self
            finally:
                for terminal in self._terminals:
                    terminal.close()
                holder.stdin.close()

    def terminal(self, *, online: bool = False) -> Terminal:
        """Open a terminal.

        Args:
            online: With this machine's network, to install packages.
        """
        number = len(self._terminals) + 1
        command = ["nsenter", "--target", str(self._first), "--mount", "--pid", *([] if online else ["--net"])]
        variables = {"HOME": "/root", "PATH": _PATH, "LANG": "C.UTF-8", **(self._settings if online else {})}
        command += ["chroot", str(self.root), "/usr/bin/env", "-i"]
        command += [f"{name}={value}" for name, value in variables.items()]
        opened = Terminal(f"[{number}]", [*command, "bash"], self._log)
        self._terminals.append(opened)
        return opened

    def copy_project(self, source: Path, name: str) -> None:
        """Clone the last commit of a checkout into the home folder of the machine."""
        target = self.root / "root" / name
        shutil.rmtree(target, ignore_errors=True)
        # With a URL, git copies, and what it copies belongs to the user of the machine.
        clone = ["git", "-c", f"safe.directory={source}", "-c", f"safe.directory={source}/.git", "clone", "--quiet"]
        subprocess.run([*clone, "--no-hardlinks", str(source), str(target)], check=True)

    def _linked_folders(self) -> list[str]:
        """Return the folders that settings name, such as one with wheels, and copy the files that they name."""
        folders = []
        for word in (word for value in self._settings.values() for word in value.split()):
            path = Path(word)
            if path.is_absolute() and path.is_dir() and not path.is_relative_to("/etc"):
                folders.append(word)
            elif path.is_absolute() and path.is_file():
                _copy(path, self.root)
        return sorted(set(folders))


def make_machine(root: Path, suite: str | None = None) -> None:
    """Make a bare Debian in an empty folder, which takes a minute.

    Raises:
        MachineError: It cannot be made.
    """
    mirror, ours = _apt_source()
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite or ours, str(root), mirror]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"{shlex.join(command)}:\n{done.stdout[-2000:]}{done.stderr}")
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    pip = [Path.home() / name for name in (".config/pip/pip.conf", ".pip/pip.conf")]
    for place in (*map(Path, _PLACES), *pip):
        _copy(place, root)


def _copy(place: Path, root: Path) -> None:
    """Copy a file or folder of this machine to the same place in another one; links to files become files."""
    for file in place.rglob("*") if place.is_dir() else [place]:
        if file.is_file():
            target = root / file.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # it may be a link, which would lead to a file of this machine
            shutil.copyfile(file, target)


def _apt_source() -> tuple[str, str]:
    """Return the URL and the suite of this machine's first source of packages."""
    folder = Path("/etc/apt")
    for file in (*sorted(folder.glob("sources.list.d/*.sources")), folder / "sources.list"):
        text = file.read_text() if file.exists() else ""
        url = re.search(r"^URIs:\s*(\S+)", text, re.MULTILINE)
        suite = re.search(r"^Suites:\s*(\S+)", text, re.MULTILINE)
        if url and suite:
            return url[1], suite[1]
        line = re.search(r"^deb(?: \[[^]]*\])? (\S+) (\S+)", text, re.MULTILINE)
        if line:
            return line[1], line[2]
    raise MachineError("this machine has no Debian packages")
