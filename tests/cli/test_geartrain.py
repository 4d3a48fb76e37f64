# SPDX-License-Identifier: MIT
"""``python -m geartrain``."""

import subprocess
import sys

import pytest

from geartrain import __version__
from geartrain.__main__ import COMMANDS


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "geartrain", *words], capture_output=True, text=True, check=False)


def test_it_lists_the_commands() -> None:
    assert run().stdout == run("--help").stdout
    assert all(f"  {command}" in run().stdout for command in COMMANDS)


def test_it_has_a_version() -> None:
    assert run("--version").stdout == f"Geartrain {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_version_and_help(command: str) -> None:
    assert f"{command} {__version__} - Geartrain\n" in run(command, "--version").stdout
    assert run(command, "--help").stdout.startswith(f"Usage: {command} ")


def test_a_command_is_named_in_its_errors() -> None:
    done = run("gearmand", "--x")

    assert (done.returncode, done.stderr) == (1, "gearmand: unknown option '--x'. See gearmand --help.\n")


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("gearmnd", "there is no command 'gearmnd'; did you mean 'gearmand'? See"),
        ("xyzzy", "there is no command 'xyzzy'. See"),
    ],
)
def test_an_unknown_command_gets_a_hint(word: str, error: str) -> None:
    done = run(word)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"geartrain: {error} python -m geartrain --help.\n"
