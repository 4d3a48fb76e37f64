# SPDX-License-Identifier: MIT
"""Instructions of a server per job, counted by valgrind's callgrind.

Other programs on the machine change seconds, but not instructions: the count of a workload is the same to about 1 %
wherever the same interpreter runs. Only the server's own are counted, not the kernel's, and only while it works. Its
start and a first small workload, which fills caches and free lists, are left out.
"""

import contextlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Workload, give
from benchmarks.measured import BenchmarkError, MeasuredServer, running

__all__ = ["CountedServer", "Profile", "counted"]

_START_TIMEOUT = 120.0  # seconds; a server starts in 3 under valgrind, on an idle machine
_CONTROL_TIMEOUT = 60.0  # seconds for callgrind to act on a command
_WARM_UP = Workload(jobs=200, clients=4, workers=4, depth=4)


@dataclass(frozen=True, slots=True)
class Profile:
    """The instructions of one workload.

    Attributes:
        file: The profile, for callgrind_annotate and kcachegrind.
        jobs: Jobs that the server got and did.
        instructions: All that the server's threads executed.
    """

    file: Path
    jobs: int
    instructions: int

    @property
    def per_job(self) -> float:
        """Instructions for each job."""
        return self.instructions / self.jobs


class CountedServer:
    """A server that runs under callgrind."""

    def __init__(self, server: MeasuredServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def warm_up(self, load: Path) -> None:
        """Give it some work that is not counted."""
        give(load, self._server, _WARM_UP, "warm-up")

    def prepare(self, load: Path, workload: Workload, function: str) -> None:
        """Give it work that is not counted, such as the jobs of a queue that is to be emptied."""
        give(load, self._server, workload, function)

    def count(self, load: Path, workload: Workload, function: str) -> Profile:
        """Give it work, and return the instructions that this took.

        Args:
            load: The load generator.
            workload: The work.
            function: The Gearman function of its jobs, which gives the profile its name too.

        Raises:
            BenchmarkError: The server gave a wrong answer, or callgrind did not do as it was told.
        """
        give(load, self._server, workload, function, while_working=self._counting())
        before = set(self._folder.iterdir())
        self._control("--dump")
        [dumped] = set(self._folder.iterdir()) - before
        file = dumped.rename(self._folder / f"{function}.callgrind")
        return Profile(file, workload.jobs, _total(file))

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        self._control("--instr=on")
        yield
        self._control("--instr=off")

    def _control(self, word: str) -> None:
        command = ["callgrind_control", word, str(self._server.pid)]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=_CONTROL_TIMEOUT)
        except subprocess.SubprocessError as error:
            raise BenchmarkError(f"{shlex.join(command)}: {error}") from error


@contextlib.contextmanager
def counted(command: str, folder: Path) -> Iterator[CountedServer]:
    """Run a server under callgrind for the length of a block.

    Args:
        command: The server's command, as for `benchmarks.measured.running`.
        folder: An empty folder, for the profiles.

    Raises:
        BenchmarkError: valgrind is not installed, or the server does not start.
    """
    if shutil.which("valgrind") is None:
        raise BenchmarkError("instructions are counted by valgrind: apt-get install valgrind")
    output = shlex.quote(str(folder / "callgrind.out"))
    callgrind = f"valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file={output}"
    with running(f"{callgrind} {command}", start_timeout=_START_TIMEOUT) as server:
        yield CountedServer(server, folder)


def _total(file: Path) -> int:
    [total] = re.findall(r"^totals: (\d+)$", file.read_text(), re.MULTILINE)
    return int(total)
