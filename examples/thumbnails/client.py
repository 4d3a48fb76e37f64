# SPDX-License-Identifier: MIT
"""Make thumbnails of all pictures in a folder, and put them on contact sheets."""

import argparse
import io
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from geartrain import Client, JobError, JobRequest, JobTimeout, as_completed

FORMATS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
A_SHEET = 24  # pictures; they are read and sent together, so this limits the memory too
COLUMNS = 4
CELL = (264, 226)  # pixels: a thumbnail of 240 x 180, a caption, and margins
PAPER, INK, ALARM = "#14181d", "#c3cad2", "#ff7a66"
TIMEOUT = 60.0  # seconds for a sheet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, help="a folder")
    parser.add_argument(
        "sheets", type=Path, nargs="?", default=Path("contact-sheets"), help="a folder for the sheets [%(default)s]"
    )
    options = parser.parse_args()

    paths = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in FORMATS)
    if not paths:
        parser.error(f"there are no pictures in {options.pictures}")
    options.sheets.mkdir(exist_ok=True)
    broken = 0
    with Client() as client, tqdm(total=len(paths), unit=" pictures") as bar:
        for number, some in enumerate(sheetfuls(paths), 1):
            thumbnails = make_thumbnails(client, some, bar.update)
            broken += sum(thumbnail is None for thumbnail in thumbnails)
            sheet = options.sheets / f"sheet-{number}.png"
            contact_sheet(some, thumbnails).save(sheet)
            tqdm.write(f"{sheet}: {len(some)} pictures", file=sys.stdout)
    return 1 if broken else 0


def sheetfuls(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), A_SHEET):
        yield paths[start : start + A_SHEET]


def make_thumbnails(client: Client, paths: Sequence[Path], done: Callable[[], object]) -> list[Image.Image | None]:
    """Return a thumbnail of each picture, or ``None`` if it cannot be read."""
    jobs = client.submit_many(JobRequest("thumbnail", path.read_bytes()) for path in paths)
    try:
        for _ in as_completed(jobs, TIMEOUT):
            done()
    except JobTimeout as error:
        raise SystemExit(f"{error}: is there a worker?") from error
    thumbnails: list[Image.Image | None] = []
    for path, job in zip(paths, jobs, strict=True):
        try:
            thumbnails.append(Image.open(io.BytesIO(job.result())))
        except JobError as error:
            tqdm.write(f"{path}: {error}", file=sys.stderr)
            thumbnails.append(None)
    return thumbnails


def contact_sheet(paths: Sequence[Path], thumbnails: Sequence[Image.Image | None]) -> Image.Image:
    """Arrange thumbnails in rows, each in the middle of its cell, with its name below."""
    width, height = CELL
    sheet = Image.new("RGB", (width * COLUMNS, height * math.ceil(len(paths) / COLUMNS)), PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for place, (path, thumbnail) in enumerate(zip(paths, thumbnails, strict=True)):
        x, y = width * (place % COLUMNS) + width // 2, height * (place // COLUMNS) + height // 2 - 10
        if thumbnail is None:
            pen.text((x, y), "cannot be read", ALARM, font, anchor="mm")
        else:
            sheet.paste(thumbnail, (x - thumbnail.width // 2, y - thumbnail.height // 2), thumbnail.convert("RGBA"))
        pen.text((x, y + 106), path.stem, INK, font, anchor="mm")
    return sheet


if __name__ == "__main__":
    sys.exit(main())
