# SPDX-License-Identifier: MIT
"""Commands in a fork behave like commands in an interpreter of their own."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.commands import GEARADMIN, GEARMAN, run_command
from tests.job_servers import free_port

TIMEOUT = 60.0


@pytest.mark.parametrize(
    ("command", "words", "stdin"),
    [
        (GEARADMIN, ["--help"], b""),
        (GEARADMIN, ["--server", f"127.0.0.1:{free_port()}", "--status"], b""),
        (GEARMAN, ["-f"], b""),
        (GEARMAN, ["--server", f"127.0.0.1:{free_port()}", "-f", "f"], b"from\0stdin"),
        (GEARMAN, ["-f", "f", "-i", "missing/folder/pid", "x"], b""),
    ],
)
def test_streams_and_status_are_the_same(command: tuple[str, ...], words: list[str], stdin: bytes) -> None:
    forked = run_command([*command, *words], stdin=stdin, timeout=TIMEOUT)
    started = subprocess.run([*command, *words], input=stdin, capture_output=True, check=False, timeout=TIMEOUT)

    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


@pytest.mark.parametrize("name", ["one.invalid", "other.invalid"])
def test_it_has_the_given_environment(name: str) -> None:
    done = run_command([*GEARMAN, "-f", "f", "x"], environment={"GEARMAN_SERVERS": f"{name}:1"}, timeout=TIMEOUT)

    assert name.encode() in done.stderr


def test_it_has_the_working_directory_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("short\n")

    done = run_command([*GEARMAN, "--token-file=token", "-f", "f", "x"], timeout=TIMEOUT)

    assert done.returncode == 1
    assert b"a token is 16 to 512" in done.stderr


def test_it_is_killed_after_the_timeout(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(subprocess.TimeoutExpired):  # nothing ever writes to the pipe
        run_command([*GEARMAN, f"--token-file={tmp_path / 'pipe'}", "-f", "f"], timeout=0.1)
