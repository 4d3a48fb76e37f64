# SPDX-License-Identifier: MIT
"""The benchmark of the stores runs on each of them; tests do not judge its figures."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.durable import PAGE, Figures, table
from benchmarks.durable_picture import PICTURE, Row, draw, rows
from benchmarks.page import ROOT


@pytest.mark.skipif(shutil.which("cc") is None, reason="the load generator needs a C compiler")
def test_stores_and_restarts_are_measured() -> None:
    words = ["--rounds=1", "--jobs=200", "--left=3000", "none", "sqlite"]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.durable", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| Geartrain")]
    assert [row.split(" | ")[0] for row in rows] == ["| Geartrain, no store", "| Geartrain, SQLite (default)"]
    assert "A server with 3,000 jobs was killed." in done.stdout


def test_ratios_are_taken_within_a_round() -> None:
    ours = Figures(rates=[50.0, 400.0, 90.0], alone_us=[1000.0] * 3, alone_99_us=[2000.0] * 3)
    none = Figures(rates=[100.0, 400.0, 100.0], alone_us=[100.0] * 3, alone_99_us=[100.0] * 3)

    rows = table({"none": none, "sqlite": ours}, 400.0)

    assert "| Geartrain, SQLite (default) | power failure | 90 | 0.90 | - | 1.00 | 2.00 |" in rows
    assert "One `fdatasync` of the same disk: 0.40 ms." in rows


def test_the_picture_has_the_rows_of_the_table(tmp_path: Path) -> None:
    ours = Figures(rates=[1000.0], alone_us=[500.0], alone_99_us=[900.0])
    text = table({"sqlite": ours}, 400.0)

    draw(text, tmp_path / "stores.svg")

    assert rows(text) == [Row("Geartrain, SQLite (default)", 1000.0, 0.5)]
    assert "Geartrain, SQLite (default)" in (tmp_path / "stores.svg").read_text()


def test_the_picture_of_the_page_has_its_servers() -> None:
    found = rows(PAGE.read_text())
    picture = PICTURE.read_text()

    assert len(found) >= 9
    assert [row.server for row in found if row.server not in picture] == []
