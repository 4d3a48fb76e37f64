# SPDX-License-Identifier: MIT
"""A shell in which the commands of an example's README are run, block by block."""

import itertools
import os
import re
import subprocess
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
# The first line of every README; the tests run in an environment where this is done.
SET_UP = "make examples && . .venv/bin/activate\n"


class Terminal:
    """A shell in a folder with links to the project's files, with a port of its own for gearmand.

    Attributes:
        folder: Its working directory.
        address: The address of a job server that is started in it.
        ports: The free ports that replace those in READMEs.
    """

    def __init__(self, shell: Program, folder: Path, address: str, ports: dict[int, int]) -> None:
        self.folder = folder
        self.address = address
        self.ports = ports
        self._shell = shell
        self._number = itertools.count()

    def blocks(self, example: str) -> list[str]:
        """Return the command blocks of a README, with its ports replaced by free ones."""
        text = (ROOT / "examples" / example / "README.md").read_text()
        first, *others = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        assert first.startswith(SET_UP)
        return [self._with_free_ports(block) for block in (first.removeprefix(SET_UP), *others)]

    def type(self, commands: str) -> list[str]:
        """Run commands, wait for their end, and return the lines that they print."""
        mark = f"typed {next(self._number)}:"
        before = len(self._shell.lines)
        self._shell.write(f"{commands.rstrip()}\necho; echo '{mark}' $?\n")
        end = self._shell.wait_for_line(mark)
        return [line for line in self._shell.lines[before : self._shell.lines.index(end)] if line]

    def wait_for(self, *functions: str) -> None:
        """Wait until each function has a worker."""
        self.until(lambda: set(functions) <= self._with_workers(), f"workers for {functions}")

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            assert time.monotonic() < deadline, (
                f"timeout while waiting for {what}: {self._shell.lines}, {self._shell.errors}"
            )
            time.sleep(0.02)

    def _with_workers(self) -> set[str]:
        with AdminClient(self.address) as admin:
            return {row.function for row in admin.status() if row.workers}

    def _with_free_ports(self, block: str) -> str:
        for port, free in self.ports.items():
            block = block.replace(str(port), str(free))
        return block


def link_tracked_files(tree: Path) -> None:
    """Make a folder with links to the files of the project that git tracks.

    So the programs write neither into the project, nor do they find what a user's own try of them has left there.
    """
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.rstrip("\0").split("\0"):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(ROOT / name)


@contextmanager
def open_terminal(folder: Path, *ports: int) -> Iterator[Terminal]:
    """Open a shell, and stop everything that was started in it at the end.

    Args:
        folder: An empty folder.
        ports: Ports of other services than gearmand in the README.
    """
    tree, private = folder / "geartrain", folder / "private"
    private.mkdir()
    link_tracked_files(tree)
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
