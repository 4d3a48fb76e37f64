# SPDX-License-Identifier: MIT
"""The modules that `gearman` and `gearadmin` import: a script may call them for every job, so they start quickly.

An interpreter takes 12 ms of CPU to start, and asyncio alone 55 ms more.
"""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from geartrain.testing import run_server, run_worker

# Modules that take long to import, and those that belong to other uses of the commands. The numbers are milliseconds of
# CPU time in Python 3.11.
SLOW = {
    "asyncio",  # 55
    "dataclasses",  # 17, most of it for inspect
    "inspect",
    "ssl",  # 16
    "logging",  # 15
    "subprocess",  # 13
    "tempfile",  # 13
    "pathlib",  # 9
    "argparse",  # 8
    "json",  # 7
    "hashlib",  # 4, most of it for OpenSSL
    "threading",  # 5
    "getopt",
    "pickle",
    "uuid",
    "platform",
    "textwrap",
    "difflib",
    "datetime",
    "encodings.idna",
    "urllib.parse",
    "ipaddress",
    "msgspec",
    "uvloop",
    "geartrain.client.sync",
    "geartrain.codec",
    "geartrain.core",
    "geartrain.server",
    "geartrain.storage",
    "geartrain.worker",
}

PROGRAM = """
import sys
before = set(sys.modules)
from geartrain.cli.{command} import main
sys.argv = ["{command}", *sys.argv[1:]]
status = main()
print(status, *sorted(set(sys.modules) - before), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def working() -> Iterator[str]:
    """The address of a server with a worker."""
    with run_server() as running, run_worker({"echo": lambda job: job.workload}, running.address):
        yield running.address


def imported(command: str, *words: str) -> tuple[int, set[str], bytes]:
    """Return the exit status of a command, the modules that it imported, and its output."""
    program = PROGRAM.format(command=command)
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, check=True)
    status, *names = done.stderr.decode().splitlines()[-1].split()
    return int(status), set(names), done.stdout


def is_slow(name: str) -> bool:
    return any(name == slow or name.startswith(f"{slow}.") for slow in SLOW)


@pytest.mark.parametrize(
    "words",
    [
        ["-f", "echo", "word"],
        ["-f", "echo", "-s"],
        ["-f", "echo", "-b", "-u", "unique", "word"],
        ["-f", "echo", "-I", "-P", "-v", "--timeout", "60", "one", "two"],
    ],
)
def test_gearman_imports_nothing_slow(working: str, words: list[str]) -> None:
    status, names, _ = imported("gearman", "--server", working, *words)

    assert status == 0
    assert sorted(filter(is_slow, names)) == []
    assert len([name for name in names if name.startswith("geartrain")]) <= 32


@pytest.mark.parametrize("words", [["--status"], ["--ping"], ["--show-jobs", "--workers", "--create-function", "f"]])
def test_gearadmin_imports_nothing_slow(working: str, words: list[str]) -> None:
    status, names, _ = imported("gearadmin", "--server", working, *words)

    assert status == 0
    assert sorted(filter(is_slow, names)) == []
    assert len([name for name in names if name.startswith("geartrain")]) <= 30


def test_the_list_of_slow_modules_is_looked_at(working: str) -> None:
    """JSON takes json, for instance."""
    _, names, output = imported("gearman", "--server", working, "-f", "echo", "--json", "word")

    assert b'"completed", "data": "word"' in output
    assert "json" in set(filter(is_slow, names))
