# SPDX-License-Identifier: MIT
"""Workers that run beside a test, and clients and workers with a short back-off."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import geartrain.python_gearman as gearman
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.worker import Callback
from geartrain.transport import Backoff

__all__ = ["PATIENCE", "QuickClient", "QuickConnection", "QuickWorker", "a_worker", "working"]

PATIENCE = 60.0  # seconds that no step takes unless it hangs


class QuickConnection(GearmanConnection):
    """A connection that is made again soon after a failure."""

    backoff = Backoff(first=0.01, longest=0.05)


class QuickClient(gearman.GearmanClient):
    connection_class = QuickConnection


class QuickWorker(gearman.GearmanWorker):
    connection_class = QuickConnection


def a_worker(
    *servers: str, kind: type[gearman.GearmanWorker] = gearman.GearmanWorker, **tasks: Callback
) -> gearman.GearmanWorker:
    """Return a worker for some tasks and for ``reverse``."""
    worker = kind(list(servers))
    for name, callback in {"reverse": lambda worker, job: job.data[::-1], **tasks}.items():
        worker.register_task(name, callback)
    return worker


@contextmanager
def working(worker: gearman.GearmanWorker, poll_timeout: float = PATIENCE) -> Iterator["Future[None]"]:
    """Run a worker until the end of the block; the future gets the result or the exception of `work`."""
    ended: Future[None] = Future()

    def run() -> None:
        try:
            worker.work(poll_timeout=poll_timeout)
            ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 - the future has it
            ended.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        worker.shutdown()
        thread.join(PATIENCE)
        assert not thread.is_alive()
