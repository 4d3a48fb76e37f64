# SPDX-License-Identifier: MIT
"""Change the code in small ways, and check that a test notices each change: ``make mutation``.

mutmut makes the mutants and runs the tests that reach them, in a copy of the project. The type checker kills some
without a test. Mutants that survive are either killed by a new test, or listed in survivors.toml with the reason. The
target ``decisive`` is a few mutants of our own that mutmut does not make.

A run may be for some modules (``core --only dispatch ready``) or for a sample (``core --sample 300 --seed 1``). With
``--resume``, a run continues the last one: killed mutants stay killed unless their function has changed.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from tests.mutation import choose, decisive
from tests.mutation.mutants import LEFT_OUT, SURVIVED, TYPE_ERROR, UNTESTED, MutatedModule, modules
from tests.mutation.survivors import LIST, Accepted, Mutant, compare, read_list

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build" / "mutation"

# The folders of src/geartrain that are mutated, and the tests that are to notice.
TARGETS: Final[Mapping[str, Sequence[str]]] = {
    "protocol": ["tests/protocol"],
    "core": ["tests/core"],
    "storage": ["tests/storage", "tests/cli/test_store.py"],
}

_LEFT_OUT: Final = (
    "tests/core/test_properties.py",  # a state machine would take most of the time; each rule has a test by example
    # These start servers and other processes, in which mutmut does not see the functions that are called.
    "tests/storage/test_every_store.py",
    "tests/storage/test_missing_packages.py",
    "tests/storage/test_syncs.py",
)

# It counts the lines that run, and mutmut's wrappers have many.
_COUNTS_LINES: Final = "tests/core/test_deadlines.py::test_of_many_that_never_fire_each_leaves_at_once"

# In the copy: the mutated source, and mutmut's times of tests and the functions that they call.
_MUTATED: Final = Path("mutants", "src")
_STATISTICS: Final = Path("mutants", "mutmut-stats.json")

_SQL: Final = "geartrain.storage."  # most texts of these modules are SQL


def main() -> int:
    """Run the command; 0: all survivors are listed, 1: others survived, 2: the tests fail without a mutant."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _exit)  # so that mutmut is stopped too
    wanted = options.target or [*TARGETS, decisive.TARGET]
    targets = [target for target in wanted if target in TARGETS]
    code = decisive.run(ROOT, BUILD / decisive.TARGET) if decisive.TARGET in wanted else 0
    return max([code, *(_mutate(target, options) for target in targets)])


def _mutate(target: str, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    copy = BUILD / target
    accepted = [entry for entry in read_list() if entry.function.split(".")[1] == target]
    _prepare(copy, target, options)
    for module in _mutated(copy):
        _forget(module, accepted)
    (copy / _STATISTICS).unlink(missing_ok=True)  # else mutmut forgets all results if its settings have changed
    code = _run(copy, options.minutes * 60, options.children)
    if code:
        print("mutation: the tests fail without a mutant; see above", file=sys.stderr)
        return 2
    finished = code is not None
    mutated = _mutated(copy)
    survivors = _survivors(mutated)
    unknown, unused = compare(survivors, accepted)
    _print_table(mutated, [mutant for mutant in survivors if mutant not in unknown])
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")
    for mutant in unknown:
        print(f"\nsurvived: {mutant}")
    is_whole = finished and not options.only and options.sample is None
    if is_whole:
        for entry in unused:
            print(f"\nin {LIST.name} without need: {entry.function}\n    {entry.line}")
    if not finished:
        print(f"\nmutation: stopped after {options.minutes} minutes; --resume continues", file=sys.stderr)
    return 1 if unknown or (is_whole and unused) else 0


def _mutated(copy: Path) -> list[MutatedModule]:
    return modules(copy / _MUTATED, copy / "src")


def _prepare(copy: Path, target: str, options: argparse.Namespace) -> None:
    """Copy the project, and configure mutmut there."""
    if not options.resume:
        shutil.rmtree(copy, ignore_errors=True)
    (copy / _MUTATED).mkdir(parents=True, exist_ok=True)  # Python remembers which folders of PYTHONPATH there are
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    copied = ["src", "tests", "benchmarks", "pyproject.toml"]
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.rmtree(copy / name, ignore_errors=True)
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    plan = {"target": target, "only": options.only, "sample": options.sample, "seed": options.seed}
    (copy / choose.PLAN).write_text(json.dumps(plan))
    arguments = ["-p", "tests.mutation.plugin", "--timeout=200", *[f"--ignore={path}" for path in _LEFT_OUT]]
    arguments.append(f"--deselect={_COUNTS_LINES}")
    settings: dict[str, object] = {
        "source_paths": ["src"],
        "only_mutate": [f"src/geartrain/{target}/*"],
        "do_not_mutate_patterns": [r"^\s*assert ", "raise AssertionError"],  # they state what cannot happen
        "also_copy": copied[1:],
        "pytest_add_cli_args_test_selection": list(TARGETS[target]),
        "pytest_add_cli_args": arguments,
        "type_check_command": [sys.executable, "-m", "tests.mutation.choose", "mypy"],
        "track_dependencies": False,
        "use_git_change_detection": False,
        "on_dependency_change": "ignore",
        # The limits of elapsed time are for what waits for ever; the plugin stops endless loops.
        "timeout_constant": 30.0,
        "timeout_multiplier": 20.0,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    with (copy / "pyproject.toml").open("a") as file:
        file.write("\n".join(["", "[tool.mutmut]", *lines, ""]))


def _forget(module: MutatedModule, accepted: Sequence[Accepted]) -> None:
    """Forget the results that a new test or another plan can change; mutants of the list are not tested again."""
    for name, code in module.codes.items():
        if code == SURVIVED:
            mutant = module.mutant(name)
            if any(entry.covers(mutant) for entry in accepted):
                continue
        if code in (SURVIVED, LEFT_OUT, TYPE_ERROR, *UNTESTED):
            module.codes[name] = None
    module.save()


def _run(copy: Path, seconds: float, children: int) -> int | None:
    """Run mutmut for some time; return its exit code, or None if it was stopped."""
    command = [sys.executable, "-m", "mutmut", "run", f"--max-children={children}"]
    environment = os.environ | {"PYTHONPATH": str(copy / _MUTATED), "HYPOTHESIS_PROFILE": "mutation"}
    process = subprocess.Popen(command, cwd=copy, env=environment, process_group=0)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _survivors(mutated: Iterable[MutatedModule]) -> list[Mutant]:
    survived = [
        module.mutant(name)
        for module in mutated
        for name, code in module.codes.items()
        if code == SURVIVED or code in UNTESTED
    ]
    return [mutant for mutant in survived if not (mutant.is_other_case and mutant.function.startswith(_SQL))]


def _print_table(mutated: Iterable[MutatedModule], listed: Iterable[Mutant]) -> None:
    """Print the outcomes of each module, and of all."""
    print(f"\n{'':42}{''.join(f'{column:>14}' for column in _COLUMNS)}")
    total: Counter[str] = Counter()
    for module in mutated:
        counts = Counter(map(_outcome, module.codes.values()))
        counts["mutants"] = len(module.codes)
        counts["of them listed"] = sum(mutant.function.startswith(f"{module.name}.") for mutant in listed)
        total += counts
        if counts["mutants"]:
            print(_row(module.name, counts))
    print(_row("all", total))


_COLUMNS: Final = ("mutants", "type error", "killed", "survived", "of them listed", "not run")


def _row(name: str, counts: Counter[str]) -> str:
    return f"{name:42}{''.join(f'{counts[column]:14,}' for column in _COLUMNS)}"


def _outcome(code: int | None) -> str:
    if not _is_tested(code):
        return "type error" if code == TYPE_ERROR else "not run"
    return "survived" if code == SURVIVED or code in UNTESTED else "killed"


def _is_tested(code: int | None) -> bool:
    return code not in (None, LEFT_OUT, TYPE_ERROR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "target",
        nargs="*",
        choices=[[], *TARGETS, decisive.TARGET],
        help="a folder of src/geartrain, or the mutants of our own; all, if none is named",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="MODULE", help="modules of these folders")
    parser.add_argument("--sample", type=int, metavar="N", help="test N of the mutants, chosen by chance")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (0)")
    parser.add_argument("--resume", action="store_true", help="continue the last run, with today's source and tests")
    parser.add_argument("--minutes", type=float, default=120.0, help="stop after so many minutes (120)")
    parser.add_argument("--children", type=int, default=os.cpu_count(), help="tests at the same time (one per core)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
