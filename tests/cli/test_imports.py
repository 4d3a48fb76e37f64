# SPDX-License-Identifier: MIT
"""The modules and instructions of a start of `gearman` and `gearadmin`: a script may call them for every job.

An interpreter takes 12 ms of CPU to start, and asyncio alone 55 ms more. The commands may take 60 ms.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain.testing import run_server, run_worker
from tests.job_servers import needs

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


# Times the instructions of an interpreter that does nothing; 5 would be 60 ms. Measured: 3.4 and 3.5 in Python 3.11.
MOST = 4.5

START = """
import sys
from geartrain.cli.{command} import main
sys.argv = ["{command}", *sys.argv[1:]]
sys.exit(main())
"""


def instructions(program: str, words: list[str], caches: Path) -> int:
    """Return the instructions of a Python program whose modules are compiled, as those of an installed package are."""
    # cachegrind counts no instructions of the kernel and of other processes.
    valgrind = [
        needs("/usr/bin/valgrind"),
        "--tool=cachegrind",
        "--cache-sim=no",
        f"--cachegrind-out-file={os.devnull}",
    ]
    python = [sys.executable, "-c", program, *words]
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(caches),
        "PYTHONHASHSEED": "0",
    }
    subprocess.run(python, env=environment, capture_output=True, check=True)
    counted = subprocess.run([*valgrind, *python], env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"I +refs: +([\d,]+)", counted.stderr)
    assert found is not None, counted.stderr
    return int(found[1].replace(",", ""))


@pytest.mark.interop  # as valgrind is a program of others
@pytest.mark.parametrize(("command", "words"), [("gearman", ["-f", "echo", "word"]), ("gearadmin", ["--status"])])
def test_a_start_takes_few_times_the_instructions_of_an_interpreter(
    working: str, command: str, words: list[str], tmp_path: Path
) -> None:
    nothing = instructions("pass", [], tmp_path)

    taken = instructions(START.format(command=command), ["--server", working, *words], tmp_path)

    assert taken < MOST * nothing, f"{taken:,} instructions, {taken / nothing:.1f} times {nothing:,}"
