# SPDX-License-Identifier: MIT
"""Exceptions from signal handlers in a worker: the run ends, its sockets close, and no job gets a wrong result.

``make test THOROUGH=1`` strikes at every point, otherwise at each third.
"""

import asyncio
import contextlib
import gc
import itertools
import logging
import random
import signal
import threading
from pathlib import Path

import pytest

from geartrain import AssignedJob, AsyncAssignedJob, AsyncWorker, ConnectionLost, Worker
from geartrain.worker import Reason
from tests.client.strikes import Strike, Striker
from tests.thoroughness import often
from tests.waiting import wait_until
from tests.worker.checking import CheckingServer
from tests.worker.shells import PATIENCE

_STEP = often(3, 1)  # points from one strike to the next
_LEAST = often(20, 60)  # strikes of each test; fewer mean that the points are not found any more


def reverse(job: AssignedJob) -> bytes:
    return job.workload[::-1]


class Leftovers:
    """The threads and descriptors of this process, to be compared with those at the beginning."""

    def __init__(self, server: CheckingServer, spare: int = 0) -> None:
        gc.collect()  # what earlier tests left might go later
        self._server = server
        self._threads = set(threading.enumerate())
        self._descriptors = _descriptors() + spare

    def are_none(self) -> bool:
        """Return True if a worker has left nothing open."""
        if self._server.open_connections:
            return False
        new = set(threading.enumerate()) - self._threads
        if any(thread.name.startswith("geartrain") for thread in new):
            return False
        return _descriptors() <= self._descriptors


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # strikes in weak references' callbacks
@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_a_run(concurrency: int, *, twice: bool) -> None:
    """The same worker can run again."""
    total = 0
    with CheckingServer() as server:
        worker = Worker(server.address, max_jobs=5, concurrency=concurrency)
        worker.add_function("reverse", reverse)
        worker.run()
        wait_until(lambda: not server.open_connections)
        leftovers = Leftovers(server)
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        for point in itertools.count(1, _STEP):
            striker = Striker(point, 1 + point % 5 if twice else 0, within="geartrain" if twice else "")
            striker.call(worker.run)
            wait_until(leftovers.are_none)
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
            assert worker.run() is Reason.MAX_JOBS
            assert server.wrong == []
            total += striker.strikes
            if not striker.strikes:
                break
        assert server.right > 0
    assert total >= _LEAST


@pytest.mark.parametrize("concurrency", [1, 3])
def test_by_real_timers(concurrency: int) -> None:
    """Strikes of the system's timer, most of them while jobs are done."""
    runs = often(60, 2000)
    chance = random.Random(7)

    def strike(*_: object) -> None:
        raise Strike

    previous = signal.signal(signal.SIGALRM, strike)
    try:
        with CheckingServer() as server:
            worker = Worker(server.address, concurrency=concurrency)
            worker.add_function("reverse", reverse)
            leftovers = Leftovers(server, spare=1)  # no run has been before
            for _ in range(runs):
                try:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.001, 0.02))
                    worker.run()
                except Strike:
                    pass
                wait_until(leftovers.are_none)
                assert server.wrong == []
            assert server.right > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


async def reverse_soon(job: AsyncAssignedJob) -> bytes:
    await asyncio.sleep(0)
    return job.workload[::-1]


@pytest.mark.filterwarnings("ignore:.*never awaited:RuntimeWarning")  # a strike between making and awaiting one
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("goes_on", [False, True])
def test_at_every_point_of_a_run_of_an_event_loop(*, goes_on: bool) -> None:
    """The run ends when its loop does, as after ``asyncio.run``, and also if the loop goes on."""
    total = 0
    with CheckingServer() as server:
        for point in itertools.count(1, often(7, 1)):
            worker = AsyncWorker(server.address, max_jobs=3, concurrency=2, reply_timeout=1.0)
            worker.add_function("reverse", reverse_soon)
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda *_: None)  # of strikes in callbacks
            task = loop.create_task(worker.run())
            striker = Striker(point, within="geartrain")  # the loop's own code does not survive it
            with contextlib.suppress(ConnectionLost):  # a strike in a callback, which the loop does not pass on
                striker.call(lambda loop=loop, task=task: loop.run_until_complete(task))  # type: ignore[misc]
            total += striker.strikes
            if not goes_on:
                task.cancel()
            _, waiting = loop.run_until_complete(asyncio.wait([task], timeout=PATIENCE))
            assert not waiting, f"the run does not end after a strike at point {point}"
            _end(loop)
            wait_until(lambda: not server.open_connections)
            assert server.wrong == []
            if not striker.strikes:
                break
        assert server.right > 0
    assert total >= _LEAST


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left in a loop, as ``asyncio.run`` does, and close it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_the_main_thread_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A strike inside `logging` could leave a lock held that the thread of the run needs."""
    caplog.set_level(logging.DEBUG, "geartrain")
    with CheckingServer() as server:
        worker = Worker(server.address, max_jobs=1)
        worker.add_function("reverse", reverse)
        worker.run()

    assert "worker started with pid" in caplog.text
    assert {record.thread for record in caplog.records}.isdisjoint({threading.get_ident()})
