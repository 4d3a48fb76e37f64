# SPDX-License-Identifier: MIT
"""A worker with a long job that reports its progress: the SHA-256 of many files."""

import hashlib
from pathlib import Path

from geartrain import AssignedJob, Worker

worker = Worker(client_id="digest.py")


@worker.function
def digest(job: AssignedJob) -> str:
    """Return one digest of all Python files in a folder; the workload is its path."""
    files = sorted(path for path in Path(job.text).rglob("*.py") if path.is_file())
    total = hashlib.sha256()
    for done, path in enumerate(files, 1):
        total.update(path.read_bytes())
        job.progress(done, len(files))
    return f"{len(files)} files, sha256 {total.hexdigest()[:16]}…"


if __name__ == "__main__":
    worker.run()
