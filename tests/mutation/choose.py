# SPDX-License-Identifier: MIT
"""Choose the mutants that the tests have to kill; mutmut calls this as its type checker.

A mutant that the type checker finds is killed without a test. mutmut can do that too, but fails at an error outside all
mutants, and takes errors for found mutants that the copies of a function cause, such as attributes defined again.
Mutants outside of the wanted modules or of the sample are left out.
"""

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.mutation.mutants import LEFT_OUT, TYPE_ERROR, modules

__all__ = ["main"]

PLAN: Final = "plan.json"

# Errors of copies, and of literals that mutmut inserts: a condition with `or True` is no mistake in types. mypy has no
# option for that: it reports the codes that the configuration enables although its command disables them.
_IGNORED: Final = ("no-redef", "redundant-expr", "truthy-bool", "comparison-overlap", "unused-ignore")


def main() -> None:
    """Write mutmut's exit codes for the mutants that no test has to kill, and print no error."""
    plan = json.loads(Path("..", PLAN).read_text())
    mutated = modules(Path("src"), Path("..", "src"))
    found = _type_errors(plan["target"])
    candidates: list[str] = []
    for module in mutated:
        type_errors = set(module.with_errors(found[module.path]))
        for name, code in module.codes.items():
            if name in type_errors:
                if code is None:
                    module.codes[name] = TYPE_ERROR
            elif not plan["only"] or module.name.rpartition(".")[2] in plan["only"]:
                candidates.append(name)
    if plan["sample"] is not None and plan["sample"] < len(candidates):
        candidates = random.Random(plan["seed"]).sample(sorted(candidates), plan["sample"])
    chosen = set(candidates)
    for module in mutated:
        for name, code in module.codes.items():
            if code is None and name not in chosen:
                module.codes[name] = LEFT_OUT
        module.save()


def _type_errors(target: str) -> dict[Path, dict[int, set[str]]]:
    """Return the messages of the type checker, by file and line."""
    command = [sys.executable, "-m", "mypy", "--output=json", "--no-error-summary", "--soft-error-limit=-1"]
    command.append(f"src/geartrain/{target}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"FORCE_COLOR": ""})
    if done.returncode not in (0, 1):
        sys.exit(f"mypy failed: {done.stdout}{done.stderr}")
    errors: dict[Path, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in done.stdout.splitlines():
        error = json.loads(line)
        if error["severity"] == "error" and error["code"] not in _IGNORED:
            errors[Path(error["file"])][error["line"]].add(error["message"])
    return errors


if __name__ == "__main__":
    main()
