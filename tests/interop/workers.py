# SPDX-License-Identifier: MIT
"""One of our workers for clients of other projects."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from geartrain import AssignedJob, Fail, Worker
from tests.interop.programs import TIMEOUT

__all__ = ["our_worker"]


@contextmanager
def our_worker(servers: str | list[str], *, prefix: str = "") -> Iterator[None]:
    """Run a worker with the functions of the workers in ``peers``."""
    worker = Worker(servers, prefix=prefix)
    worker.add_function("reverse", lambda job: job.workload[::-1])
    worker.add_function("echo", lambda job: job.workload)
    worker.add_function("unique", lambda job: job.unique)
    worker.add_function("size", lambda job: f"{len(job.workload)} {hashlib.md5(job.workload).hexdigest()}")  # noqa: S324  # as in PHP
    worker.add_function("zeros", lambda job: bytes(int(job.workload)))
    for function in (talk, fail, throw):
        worker.add_function(function.__name__, function)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(TIMEOUT)


def talk(job: AssignedJob) -> Iterator[bytes]:
    job.progress(1, 4)
    yield b"da\0ta"
    job.warning("careful")
    yield b"\xff\0"


def fail(job: AssignedJob) -> None:
    raise Fail


def throw(job: AssignedJob) -> None:
    raise ValueError("out of work")
