# SPDX-License-Identifier: MIT
"""Workers that work beside a test."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import geartrain.python_gearman as gearman
from geartrain.python_gearman.worker import Callback

__all__ = ["PATIENCE", "a_worker", "working"]

PATIENCE = 20.0  # seconds that nothing takes unless it will take for ever


def a_worker(*servers: str, **tasks: Callback) -> gearman.GearmanWorker:
    """Return a worker that does these tasks, besides reversing."""
    worker = gearman.GearmanWorker(list(servers))
    for name, callback in {"reverse": lambda worker, job: job.data[::-1], **tasks}.items():
        worker.register_task(name, callback)
    return worker


@contextmanager
def working(worker: gearman.GearmanWorker, poll_timeout: float = PATIENCE) -> Iterator["Future[None]"]:
    """Have a worker work until the end of the block; what `work` returned or raised is in the future."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            worker.work(poll_timeout=poll_timeout)
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 - whoever looks is to have it
            ended.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        worker.shutdown()
        thread.join(PATIENCE)
        assert not thread.is_alive()
