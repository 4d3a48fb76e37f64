# SPDX-License-Identifier: MIT
"""The types of the public API, checked by mypy on code like that of users.

The other modules of this folder are never run; `make check` runs mypy on them. Each ``assert_type`` must hold, and each
wrong call has a ``type: ignore``. Mypy reports an unused ``type: ignore``, so a wrong call that it accepts is an error.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = sorted(path for path in HERE.glob("*.py") if path.name != Path(__file__).name)
MARK = re.compile(r"  # type: ignore\[(?P<codes>[^]]+)\].*")


def test_mypy_rejects_each_wrong_call_and_nothing_else(tmp_path: Path) -> None:
    """The test removes each ``type: ignore``, so that no setting of mypy can hide an error."""
    marked: set[tuple[str, int, str]] = set()
    for module in MODULES:
        lines = module.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if mark := MARK.search(line):
                marked.update((module.name, number, code) for code in mark["codes"].split(", "))
        (tmp_path / module.name).write_text("\n".join(MARK.sub("", line) for line in lines) + "\n")

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", tmp_path],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    found = re.findall(r"(\w+\.py):(\d+): error: .*  \[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert {(name, int(number), code) for name, number, code in found} == marked, done.stdout + done.stderr
    assert len(marked) > 50
