# SPDX-License-Identifier: MIT
"""Check that the compiled server keeps its budget of instructions and memory per job.

Instructions are counted by valgrind. If a workload exceeds its budget, tables of the functions that used most follow.
The profiles stay in build/budget, for callgrind_annotate or kcachegrind.
"""

import argparse
import os
import shlex
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.budget.callgrind import Profile
from benchmarks.budget.limits import BUDGET, Budget
from benchmarks.budget.memory import measure_memory
from benchmarks.budget.report import report
from benchmarks.budget.workloads import STORED, UNSTORED, count_all
from benchmarks.load import compile_load
from benchmarks.measured import BenchmarkError
from benchmarks.page import ROOT

__all__ = ["main"]

_PROFILES: Final = ROOT / "build" / "budget"
_PYTHON: Final = ROOT / ".venv-compiled" / "bin" / "python"

_GEARMAND: Final = f"-m geartrain.cli.gearmand --config-file={os.devnull} --port={{port}} --listen=127.0.0.1"
_DEFAULT_STORE: Final = "--store=sqlite://{folder}/jobs.db"


def main() -> int:
    """Run the command; 0: the budget is kept, 1: a figure exceeds it, 2: nothing was measured."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the servers are ended
    os.environ.pop("PYTHONPATH", None)  # which may name the interpreted source
    os.environ["PYTHONHASHSEED"] = "0"  # a random seed would change the counts
    try:
        command = _compiled_server()
        if not options.write:
            Budget.read(options.budget).check_environment()
        profiles, memory = _measure(command)
    except BenchmarkError as error:
        print(f"budget: {error}", file=sys.stderr)
        return 2
    figures = {"instructions": {name: profile.per_job for name, profile in profiles.items()}, "memory": memory}
    if options.write:
        Budget.from_figures(figures).write(options.budget)
    budget = Budget.read(options.budget)
    print(report(budget, figures, profiles, options.functions))
    exceeded = budget.exceeded(figures)
    for section, name in exceeded:
        print(f"budget: {name} exceeds its {section}", file=sys.stderr)
    return 1 if exceeded else 0


def _measure(command: str) -> tuple[dict[str, Profile], dict[str, float]]:
    """Count instructions and measure memory, on two servers at a time; neither depends on the speed of the machine."""
    shutil.rmtree(_PROFILES, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="budget-") as folder, ThreadPoolExecutor(2) as threads:
        load = compile_load(Path(folder))
        in_memory = threads.submit(count_all, f"{command} --store=none", UNSTORED, load, _PROFILES / "none", _say)
        stored = threads.submit(count_all, f"{command} {_DEFAULT_STORE}", STORED, load, _PROFILES / "stored", _say)
        memory = threads.submit(measure_memory, command, load, Path(folder), _say)
        return in_memory.result() | stored.result(), memory.result()


def _compiled_server() -> str:
    """Return the command of the compiled server, without a store.

    Raises:
        BenchmarkError: There is none.
    """
    if not _PYTHON.exists():
        raise BenchmarkError("there is no compiled server in .venv-compiled; `make budget` makes one")
    return f"{shlex.quote(str(_PYTHON))} {_GEARMAND}"


def _say(what: str) -> None:
    print(f"budget: {what}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="budget", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="set the budget to what is measured, and 3 %% more")
    parser.add_argument(
        "--budget", type=Path, default=BUDGET, metavar="FILE", help="instead of benchmarks/budget/budget.toml"
    )
    parser.add_argument(
        "--functions",
        action="append",
        default=[],
        choices=[*UNSTORED, *STORED],
        metavar="WORKLOAD",
        help="show the costliest functions of a workload also if it keeps its budget",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
