# SPDX-License-Identifier: MIT
"""The thumbnails example with photographs: thumbnails, contact sheets, and files that are no pictures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from examples.thumbnails.client import CELL, COLUMNS, PAPER
from tests.examples.terminal import ROOT, Terminal

TIMEOUT = 100  # seconds for a download of 14 MB


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs, downloaded once for all tests."""
    folder = tmp_path_factory.mktemp("photographs")
    fetch = [sys.executable, "examples/thumbnails/fetch.py", str(folder)]
    if subprocess.run(fetch, cwd=ROOT, check=False, timeout=TIMEOUT).returncode != 0:
        assert not os.environ.get("CI"), "the photographs cannot be downloaded"
        pytest.skip("the photographs cannot be fetched from PyPI")
    return folder


@pytest.fixture
def blocks(terminal: Terminal, photographs: Path) -> list[str]:
    """The blocks of the README after the first one, which has been run."""
    shutil.copytree(photographs, terminal.folder / "pictures")
    start, *others = terminal.blocks("thumbnails")
    lines = terminal.type(start)
    assert "pictures: 12 photographs" in lines
    return others


def cell(sheet: Image.Image, place: int) -> Image.Image:
    """Return the part of a cell that a thumbnail of any shape fills."""
    x, y = CELL[0] * (place % COLUMNS) + CELL[0] // 2, CELL[1] * (place // COLUMNS) + CELL[1] // 2 - 10
    return sheet.crop((x - 70, y - 70, x + 70, y + 70))


def unlike(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, as a part of the whole range."""
    small = [each.convert("L").resize((16, 16)) for each in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*small)).mean[0] / 255


def read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_the_readme(terminal: Terminal, blocks: list[str]) -> None:
    make, stop = blocks

    lines = terminal.type(make)
    end = terminal.type(stop)

    assert "contact-sheets/sheet-1.png: 12 pictures" in lines
    assert end == ["OK"]
    sheet = read(terminal.folder / "contact-sheets" / "sheet-1.png")
    assert sheet.size == (CELL[0] * COLUMNS, CELL[1] * 3)
    for place, path in enumerate(sorted((terminal.folder / "pictures").iterdir())):
        original = read(path)
        original.thumbnail((240, 180))
        x, y = original.width // 2, original.height // 2
        middle = original.crop((x - 70, y - 70, x + 70, y + 70))
        assert unlike(cell(sheet, place), middle) < 0.02, path


def test_a_file_that_is_no_picture_only_leaves_its_own_cell_empty(terminal: Terminal, blocks: list[str]) -> None:
    make, _ = blocks
    pictures = terminal.folder / "pictures"
    for number in range(12):  # enough to fill a sheet
        shutil.copy(pictures / "rocket.jpg", pictures / f"rocket-{number:02}.jpg")
    (pictures / "broken.png").write_bytes((pictures / "coffee.png").read_bytes()[:5000])

    lines = terminal.type(f"{make.rstrip()} 2>&1 || echo exit status $?")

    assert "exit status 1" in lines
    assert any("pictures/broken.png: " in line for line in lines)
    first, second = (read(terminal.folder / "contact-sheets" / f"sheet-{number}.png") for number in (1, 2))
    assert (first.size[1], second.size[1]) == (6 * CELL[1], CELL[1])
    names = [path.stem for path in sorted(pictures.iterdir())]
    broken, rocket = (cell(first, names.index(name)) for name in ("broken", "rocket-00"))
    assert unlike(broken, Image.new("RGB", (140, 140), PAPER)) < 0.02
    assert unlike(rocket, broken) > 0.05
    assert unlike(cell(second, 0), rocket) == 0
