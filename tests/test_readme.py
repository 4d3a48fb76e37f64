# SPDX-License-Identifier: MIT
"""The README: its first minute in every mix of languages, and the facts that it repeats."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from geartrain import AdminClient
from geartrain.testing import ServerProcess
from tests.job_servers import needs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = Path(sysconfig.get_path("scripts"))
LANGUAGES = {"py": sys.executable, "php": "/usr/bin/php", "pl": "/usr/bin/perl"}
PATIENCE = 60


def blocks() -> dict[str, str]:
    """Return the programs of the README by the file name in their first comment, and the others by their language."""
    found = {}
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        name = re.search(r"^(?:#|//) (\S+\.\w+)$", code, re.MULTILINE)
        found[name[1] if name else language] = code
    return found


def test_the_readme_names_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[<>=~;]", each)[0].strip() for each in needed}

    assert [name for name in sorted(names) if f"`{name}`" not in README] == []


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ServerProcess() as server:
        yield server.port


@pytest.fixture
def address(port: int) -> str:
    return f"127.0.0.1:{port}"


def variables(language: str, address: str) -> dict[str, str]:
    """Return an environment that names the server; libgearman, given one twice, now and then waits for ever."""
    return os.environ | {"GEARMAN_SERVERS" if language == "py" else "GEARMAN_SERVER": address}


@pytest.mark.interop
@pytest.mark.parametrize("client", LANGUAGES)
@pytest.mark.parametrize("worker", LANGUAGES)
def test_any_client_has_any_worker_reverse_a_text(worker: str, client: str, address: str, tmp_path: Path) -> None:
    programs = blocks()
    for name in (f"worker.{worker}", f"client.{client}"):
        (tmp_path / name).write_text(programs[name])
    serving = subprocess.Popen(
        [needs(LANGUAGES[worker]), tmp_path / f"worker.{worker}"], env=variables(worker, address)
    )
    try:
        done = subprocess.run(
            [needs(LANGUAGES[client]), tmp_path / f"client.{client}"],
            env=variables(client, address),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    finally:
        serving.terminate()
        serving.wait(PATIENCE)

    assert done.stdout == "!dlroW olleH\n"


def test_the_shell(port: int, address: str, tmp_path: Path) -> None:
    """The lines of the README, with a `gearadmin` that knows this server's port, as all others listen elsewhere."""
    gearadmin = tmp_path / "gearadmin"
    gearadmin.write_text(f'#!/bin/sh\nexec "{COMMANDS}/gearadmin" --port {port} "$@"\n')
    gearadmin.chmod(0o755)
    (tmp_path / "worker.py").write_text(blocks()["worker.py"])
    environment = variables("py", address) | variables("sh", address)
    environment["PATH"] = f"{tmp_path}{os.pathsep}{COMMANDS}{os.pathsep}{environment['PATH']}"
    reverse = subprocess.Popen([sys.executable, tmp_path / "worker.py"], env=environment)
    try:
        done = subprocess.run(
            ["sh", "-ec", blocks()["sh"]],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    finally:
        reverse.terminate()
        reverse.wait(PATIENCE)

    lines = len(Path("/etc/passwd").read_bytes().splitlines())
    assert done.stdout.startswith(f"{lines}\n!dlroW olleH")
    assert "wc\t0\t0\t1\n" in done.stdout
    with AdminClient(address) as admin:
        assert {"wc", "reverse"} <= {row.function for row in admin.status()}


def test_the_demo_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = ROOT / "examples" / "demo" / "run.py"

    done = subprocess.run(
        [sys.executable, demo],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    assert "!dlroW olleH" in done.stdout
    assert re.search(r"\d+ files, sha256 [0-9a-f]{16}", done.stdout)
    assert re.search(r"resize +3 +0 +0", done.stdout)
    assert list(tmp_path.iterdir()) == []
    workers = r"\S+ \S+ INFO worker started with pid \d+, servers 127\.0\.0\.1:\d+, functions (?:reverse|digest)"
    assert [line for line in done.stderr.splitlines() if not re.fullmatch(workers, line)] == []
    assert len(done.stderr.splitlines()) == 2
