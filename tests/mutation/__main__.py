# SPDX-License-Identifier: MIT
"""Change the code in small ways, and check that a test notices each change: ``make mutation``.

mutmut makes the mutants and runs the tests that reach them, in a copy of the project. Mutants that survive are either
killed by a new test, or listed in survivors.toml with the reason.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.mutation.survivors import LIST, Mutant, compare, read_list

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[2]
COPY: Final = ROOT / "build" / "mutation"
_MUTATED: Final = COPY / "mutants" / "src"

# The folders of src/geartrain that are mutated, and the tests that are to notice.
TARGETS: Final[Mapping[str, Sequence[str]]] = {
    "protocol": ["tests/protocol"],
    "storage": ["tests/storage"],
}

_SQL: Final = "geartrain.storage."  # most texts of these modules are SQL

_SURVIVED: Final = 0  # exit codes of pytest for a mutant
_UNTESTED: Final = (5, 33)  # no test reaches it


def main() -> int:
    """Run the command; 0: all survivors are listed, 1: others survived, 2: the tests fail without a mutant."""
    options = _parser().parse_args()
    targets = options.target or list(TARGETS)
    _prepare(targets)
    finished = _run(options.minutes * 60)
    codes = _exit_codes()
    if all(code is None for code in codes.values()):
        print("mutation: the tests fail without a mutant; see above", file=sys.stderr)
        return 2
    survived = _show_all([name for name, code in codes.items() if code == _SURVIVED or code in _UNTESTED])
    survivors = [mutant for mutant in survived if not (mutant.is_other_case and mutant.function.startswith(_SQL))]
    accepted = [entry for entry in read_list() if entry.function.split(".")[1] in targets]
    unknown, unused = compare(survivors, accepted)
    print(_summary(codes, len(survivors) - len(unknown)))
    for mutant in unknown:
        print(f"\nsurvived: {mutant}")
    if finished:
        for entry in unused:
            print(f"\nin {LIST.name} without need: {entry.function}\n    {entry.line}")
    else:
        print(f"\nmutation: stopped after {options.minutes} minutes", file=sys.stderr)
    return 1 if unknown or (finished and unused) else 0


def _prepare(targets: Sequence[str]) -> None:
    """Copy the project, and configure mutmut there."""
    shutil.rmtree(COPY, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    copied = ["src", "tests", "benchmarks", "pyproject.toml"]
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, COPY / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, COPY / name)
    settings = {
        "source_paths": [f"src/geartrain/{target}" for target in targets],
        "pytest_add_cli_args_test_selection": [folder for target in targets for folder in TARGETS[target]],
        "also_copy": copied,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    _MUTATED.mkdir(parents=True)  # Python remembers which folders of PYTHONPATH there are
    with (COPY / "pyproject.toml").open("a") as file:
        file.write("\n".join(["", "[tool.mutmut]", *lines, ""]))


def _run(seconds: float) -> bool:
    """Run mutmut for some time; return whether it has finished."""
    process = subprocess.Popen([*_MUTMUT, "run"], cwd=COPY, env=_environment(), process_group=0)
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _exit_codes() -> dict[str, int | None]:
    """Return the exit code of the tests for each mutant; None if it was not tested."""
    codes: dict[str, int | None] = {}
    for file in sorted((COPY / "mutants").rglob("*.meta")):
        codes |= json.loads(file.read_text())["exit_code_by_key"]
    return codes


def _show_all(names: Sequence[str]) -> list[Mutant]:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(_show, names))


def _show(name: str) -> Mutant:
    done = subprocess.run(
        [*_MUTMUT, "show", name], cwd=COPY, env=_environment(), capture_output=True, text=True, check=True
    )
    return Mutant.from_diff(name, done.stdout)


_MUTMUT: Final = (sys.executable, "-m", "mutmut")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(_MUTATED), "HYPOTHESIS_PROFILE": "mutation"}


def _summary(codes: Mapping[str, int | None], listed: int) -> str:
    counts = Counter(_outcome(code) for code in codes.values())
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return f"{len(codes)} mutants: {outcomes}; {listed} are listed"


def _outcome(code: int | None) -> str:
    if code is None:
        return "not run"
    if code in _UNTESTED:
        return "without a test"
    return "survived" if code == _SURVIVED else "killed"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "target", nargs="*", choices=[[], *TARGETS], help="a folder of src/geartrain; all, if none is named"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so many minutes (60)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
