# SPDX-License-Identifier: MIT
"""Fetches some photographs for those who have none at hand: the free ones among scikit-image's sample pictures."""

import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

PACKAGE = "scikit-image==0.26.0"
# Dedicated to the public domain by those who made them, says the package's documentation: NASA's astronaut and
# hubble_deep_field, SpaceX's rocket, the others by CC0. Of the coins the Brooklyn Museum says: no known copyright.
PICTURES = [
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "rocket.jpg",
]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
    folder.mkdir(exist_ok=True)
    if missing := [name for name in PICTURES if not (folder / name).exists()]:
        fetch(missing, folder)
    print(f"{folder}: {len(PICTURES)} photographs")


def fetch(names: list[str], folder: Path) -> None:
    """Take pictures out of the package. They are the same in those for all machines, so any one will do."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    any_machine = ["--python-version=3.12", "--platform=manylinux_2_28_x86_64"]
    with tempfile.TemporaryDirectory() as downloads:
        subprocess.run([*pip, *any_machine, "--dest", downloads, PACKAGE], check=True)
        [wheel] = Path(downloads).glob("*.whl")
        with ZipFile(wheel) as package:
            for name in names:
                (folder / name).write_bytes(package.read(f"skimage/data/{name}"))


if __name__ == "__main__":
    main()
