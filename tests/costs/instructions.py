# SPDX-License-Identifier: MIT
"""Processor instructions of a piece of work, counted by valgrind's callgrind in this very process."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from benchmarks.page import ROOT

__all__ = ["Instructions", "run_counted"]

_FOLDER: Final = "GEARTRAIN_COUNTED_IN"  # the variable with the folder of the counts, under valgrind
_COMPILED: Final = ROOT / ".venv-compiled" / "bin" / "python"
_SOURCE: Final = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void end(void) { CALLGRIND_DUMP_STATS; CALLGRIND_STOP_INSTRUMENTATION; }
"""


def run_counted(folder: Path) -> NoReturn:
    """Run this command again, with the compiled server if there is one, under callgrind.

    Args:
        folder: An empty folder.
    """
    python = str(_COMPILED if _COMPILED.exists() else sys.executable)
    for program in ("valgrind", "cc"):
        if shutil.which(program) is None:
            sys.exit(f"instructions are counted by valgrind and a C library: apt-get install valgrind gcc ({program})")
    (folder / "counter.c").write_text(_SOURCE)
    library = folder / "counter.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, folder / "counter.c"], check=True)
    environment = {**os.environ, _FOLDER: str(folder), "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONPATH", None)  # which may name the interpreted source
    output = f"--callgrind-out-file={folder / 'counted'}"
    words = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", output, python, "-m", "tests.costs"]
    os.execvpe("valgrind", [*words, *sys.argv[1:]], environment)  # noqa: S606  # valgrind stands for this process


class Instructions:
    """Counts the instructions of work, with those of the interpreter's own functions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = ctypes.CDLL(str(folder / "counter.so"))

    @classmethod
    def under_valgrind(cls) -> "Instructions | None":
        """Return the counter if this process was started by `run_counted`."""
        folder = os.environ.get(_FOLDER)
        return cls(Path(folder)) if folder else None

    def __call__(self, work: Callable[[], object]) -> int:
        """Return the instructions of some work."""
        self._library.begin()
        work()
        self._library.end()
        [dumped] = [path for path in self._folder.glob("counted*") if path.stat().st_size]
        [total] = re.findall(r"^totals: (\d+)$", dumped.read_text(), re.MULTILINE)
        dumped.unlink()
        return int(total)
