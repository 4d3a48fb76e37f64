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
from typing import Final

from tests.mutation import choose, decisive
from tests.mutation.mutants import LEFT_OUT, SURVIVED, TYPE_ERROR, UNTESTED, MutatedModule, modules
from tests.mutation.survivors import LIST, Mutant, compare, read_list

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[2]
COPY: Final = ROOT / "build" / "mutation"
_MUTATED: Final = COPY / "mutants" / "src"

# The folders of src/geartrain that are mutated, and the tests that are to notice.
TARGETS: Final[Mapping[str, Sequence[str]]] = {
    "protocol": ["tests/protocol"],
    "core": ["tests/core"],
    "storage": ["tests/storage"],
}

# State machines: they would take most of the time, and each rule has a test by example.
_LEFT_OUT: Final = ("tests/core/test_properties.py",)

_SQL: Final = "geartrain.storage."  # most texts of these modules are SQL


def main() -> int:
    """Run the command; 0: all survivors are listed, 1: others survived, 2: the tests fail without a mutant."""
    options = _parser().parse_args()
    wanted = options.target or [*TARGETS, decisive.TARGET]
    targets = [target for target in wanted if target in TARGETS]
    code = decisive.run(ROOT, COPY) if decisive.TARGET in wanted else 0
    return max(code, _mutate(targets, options)) if targets else code


def _mutate(targets: Sequence[str], options: argparse.Namespace) -> int:
    begun = time.monotonic()
    _prepare(targets, options)
    finished = _run(options.minutes * 60, options.children)
    mutated = [module for module in modules(_MUTATED, COPY / "src") if module.name.split(".")[1] in targets]
    if not any(_is_tested(code) for module in mutated for code in module.codes.values()):
        print("mutation: the tests fail without a mutant; see above", file=sys.stderr)
        return 2
    survivors = _survivors(mutated)
    accepted = [entry for entry in read_list() if entry.function.split(".")[1] in targets]
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


def _prepare(targets: Sequence[str], options: argparse.Namespace) -> None:
    """Copy the project, and configure mutmut there."""
    if not options.resume:
        shutil.rmtree(COPY, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    copied = ["src", "tests", "benchmarks", "pyproject.toml"]
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.rmtree(COPY / name, ignore_errors=True)
            shutil.copytree(ROOT / name, COPY / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, COPY / name)
    _MUTATED.mkdir(parents=True, exist_ok=True)  # Python remembers which folders of PYTHONPATH there are
    for module in modules(_MUTATED, COPY / "src"):
        _forget(module)
    plan = {"targets": targets, "only": options.only, "sample": options.sample, "seed": options.seed}
    (COPY / choose.PLAN).write_text(json.dumps(plan))
    arguments = ["-p", "tests.mutation.plugin", "--timeout=200", *[f"--ignore={path}" for path in _LEFT_OUT]]
    settings: dict[str, object] = {
        "source_paths": ["src"],
        "only_mutate": [f"src/geartrain/{target}/*" for target in targets],
        "do_not_mutate_patterns": [r"^\s*assert ", "raise AssertionError"],  # they state what cannot happen
        "also_copy": copied[1:],
        "pytest_add_cli_args_test_selection": [folder for target in targets for folder in TARGETS[target]],
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
    with (COPY / "pyproject.toml").open("a") as file:
        file.write("\n".join(["", "[tool.mutmut]", *lines, ""]))


def _forget(module: MutatedModule) -> None:
    """Forget the results that a new test or another plan can change."""
    for name, code in module.codes.items():
        if code in (SURVIVED, LEFT_OUT, TYPE_ERROR, *UNTESTED):
            module.codes[name] = None
    module.save()


def _run(seconds: float, children: int) -> bool:
    """Run mutmut for some time; return whether it has finished."""
    command = [sys.executable, "-m", "mutmut", "run", f"--max-children={children}"]
    environment = os.environ | {"PYTHONPATH": str(_MUTATED), "HYPOTHESIS_PROFILE": "mutation"}
    process = subprocess.Popen(command, cwd=COPY, env=environment, process_group=0)
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


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
