# SPDX-License-Identifier: MIT
"""Run the README from its first to its last line on a bare Debian: ``make test-readme``.

It takes root, debootstrap and Linux namespaces. With --root, the machine is kept, so that the next run starts faster.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.newcomer.blocks import README
from tests.newcomer.firsthour import FirstHour
from tests.newcomer.machine import BareMachine, MachineError, make_machine, obstacle

NAME = "geartrain"


def main() -> int:
    """Run the command; 0: everything worked, 1: something did not, 2: no machine can be made here."""
    parser = argparse.ArgumentParser(prog="make test-readme", description=__doc__)
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="the folder of the machine, kept afterwards")
    parser.add_argument("--suite", metavar="NAME", help="the release of Debian; by default that of this machine")
    parser.add_argument("--tests", default="", metavar="ARGS", help="run some tests only, as with make test ARGS=…")
    options = parser.parse_args()
    reason = obstacle()
    if reason is not None:
        print(f"make test-readme: {reason}", file=sys.stderr)
        return 2
    if options.root is not None:
        return _run(options.root, options.suite, options.tests)
    folder = Path(tempfile.mkdtemp(prefix="bare-"))
    try:
        return _run(folder, options.suite, options.tests)
    finally:
        # Not across mounts: if one is left, it is a folder of this machine.
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False)


def _run(root: Path, suite: str | None, tests: str) -> int:
    if not (root / "bin/sh").exists():
        print(f"make test-readme: making a bare machine in {root}", file=sys.stderr)
        try:
            make_machine(root, suite)
        except MachineError as error:
            print(f"make test-readme: {error}", file=sys.stderr)
            return 2
    try:
        with BareMachine(root, sys.stdout).running() as machine:
            machine.copy_project(README.parent, NAME)
            FirstHour(machine, f"/root/{NAME}", README.read_text(), tests).run()
    except MachineError as error:
        print(f"make test-readme: {error}", file=sys.stderr)
        return 1
    print("make test-readme: everything in the README worked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
