# SPDX-License-Identifier: MIT
"""Files are synced before they count as stored: where syncs fail, so does all that needs them."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.no_sync import SYSTEM_CALLS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in SYSTEM_CALLS, reason="the filter is one of Linux"
)


def without_syncs(what: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.storage.no_sync", what, str(folder)]
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100, check=False
    )


def test_a_commit_to_sqlite_whose_sync_fails_is_in_doubt(tmp_path: Path) -> None:
    done = without_syncs("sqlite", tmp_path)

    assert (done.stdout, done.stderr) == ("stored\nunknown\n", "")


def test_an_export_whose_sync_fails_does_not_replace_the_file(tmp_path: Path) -> None:
    without_syncs("sqlite", tmp_path)
    (tmp_path / "jobs.json").write_text("the last backup")

    done = without_syncs("export", tmp_path)

    assert (done.returncode, (tmp_path / "jobs.json").read_text()) == (1, "the last backup")
    assert "Input/output error" in done.stderr
