# SPDX-License-Identifier: MIT
"""A worker that makes thumbnails, in one process for each processor."""

import io
import os

from PIL import Image, ImageOps

from geartrain import AssignedJob, Worker

LARGEST = (240, 180)  # pixels, wide and high

worker = Worker(client_id="thumbnails", executor="process", concurrency=os.cpu_count() or 1)


@worker.function(timeout=60)
def thumbnail(job: AssignedJob) -> bytes:
    """Return a small WebP of a picture of any size and format, rotated upright."""
    with Image.open(io.BytesIO(job.workload)) as picture:
        picture.draft("RGB", (2 * LARGEST[0], 2 * LARGEST[1]))  # decode a JPEG at a reduced size
        small = ImageOps.exif_transpose(picture).convert("RGBA")
    small.thumbnail(LARGEST, Image.Resampling.LANCZOS)
    webp = io.BytesIO()
    small.save(webp, "WEBP", quality=85)
    return webp.getvalue()


if __name__ == "__main__":
    worker.run()
