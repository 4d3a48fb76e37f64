# SPDX-License-Identifier: MIT
"""Somebody who copies the commands of an example's README into a shell, block by block."""

import itertools
import os
import re
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from geartrain import AdminClient
from tests.interop.programs import TIMEOUT, Program
from tests.job_servers import free_port

__all__ = ["ROOT", "Terminal", "open_terminal"]

ROOT = Path(__file__).parents[2]
COMMANDS = Path(sysconfig.get_path("scripts"))
# What every README begins with; the tests run in an environment that has it all.
SET_UP = "make examples && . .venv/bin/activate\n"


class Terminal:
    """A shell in a folder where everything of the repository is, with a port of its own for gearmand.

    Attributes:
        folder: Where it is.
        address: Where a job server that is started in it listens.
        ports: The free ports that take the place of those in READMEs.
    """

    def __init__(self, shell: Program, folder: Path, address: str, ports: dict[int, int]) -> None:
        self.folder = folder
        self.address = address
        self.ports = ports
        self._shell = shell
        self._number = itertools.count()

    def blocks(self, example: str) -> list[str]:
        """Return the blocks of commands in a README, with free ports in place of those that it names."""
        text = (ROOT / "examples" / example / "README.md").read_text()
        first, *others = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        assert first.startswith(SET_UP)
        return [self._with_free_ports(block) for block in (first.removeprefix(SET_UP), *others)]

    def type(self, commands: str) -> list[str]:
        """Run commands and return the lines that they print, once they have ended."""
        mark = f"typed {next(self._number)}:"
        before = len(self._shell.lines)
        self._shell.write(f"{commands.rstrip()}\necho; echo '{mark}' $?\n")
        end = self._shell.wait_for_line(mark)
        return [line for line in self._shell.lines[before : self._shell.lines.index(end)] if line]

    def wait_for(self, *functions: str) -> None:
        """Return when each function has a worker."""
        self.until(lambda: set(functions) <= self._with_workers(), f"workers for {functions}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Return when a condition holds."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, f"gave up waiting for {what}: {self._shell.lines}, {self._shell.errors}"
            time.sleep(0.02)

    def _with_workers(self) -> set[str]:
        with AdminClient(self.address) as admin:
            return {row.function for row in admin.status() if row.workers}

    def _with_free_ports(self, block: str) -> str:
        for port, free in self.ports.items():
            block = block.replace(str(port), str(free))
        return block


@contextmanager
def open_terminal(folder: Path, *ports: int) -> Iterator[Terminal]:
    """Open a shell and, in the end, end all that was started in it.

    Args:
        folder: An empty one.
        ports: Those of other services than gearmand that the README names.
    """
    tree, private = folder / "geartrain", folder / "private"
    tree.mkdir()
    private.mkdir()
    for path in ROOT.iterdir():
        (tree / path.name).symlink_to(path)
    port = free_port()
    gearadmin = private / "gearadmin"
    gearadmin.write_text(f'#!/bin/sh\nexec "{COMMANDS}/gearadmin" --port {port} "$@"\n')
    gearadmin.chmod(0o755)
    environment = {
        "GEARMAND_PORT": str(port),
        "GEARMAND_PID_FILE": str(private / "pid"),
        "GEARMAND_LOG_FILE": str(private / "log"),
        "GEARMAND_STORE": f"sqlite:///{private}/jobs",
        "GEARMAN_SERVERS": f"127.0.0.1:{port}",
        "PATH": os.pathsep.join([str(private), str(Path(sys.executable).parent), str(COMMANDS), os.environ["PATH"]]),
    }
    with Program(["bash"], environment=environment) as shell:
        terminal = Terminal(shell, tree, f"127.0.0.1:{port}", {given: free_port() for given in ports})
        terminal.type(f"cd {tree}")
        try:
            yield terminal
        finally:
            shell.write(f"kill -KILL $(jobs -p); [ ! -e {private}/pid ] || kill -KILL $(cat {private}/pid)\nexit\n")
            shell.wait()
