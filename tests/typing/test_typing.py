# SPDX-License-Identifier: MIT
"""What users write, as mypy sees it.

The other modules of this folder are never run. `make check` has mypy read them: they must be right, with the types that
they assert, but for the calls that are marked as wrong; and a mark on what mypy accepts is an error, too.
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
    """Also without the marks, so that no setting can make them mean nothing."""
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
