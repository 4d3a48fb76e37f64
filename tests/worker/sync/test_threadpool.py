# SPDX-License-Identifier: MIT
"""The threads of a blocking worker."""

import math
import threading
from collections.abc import Iterator

import pytest

from geartrain.worker.sync.threadpool import TASK_DELAY, Executor, InlineExecutor, ThreadPool

PATIENCE = 60.0  # seconds that no step takes unless it hangs
SIZE = 4


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(SIZE, lambda: InlineExecutor(exceptions=True))
    pool.start()
    yield pool
    pool.leave(wait=True)


def test_tasks_that_come_together_are_done_by_one_thread_until_one_takes_long(pool: ThreadPool) -> None:
    together = threading.Barrier(SIZE + 1)

    def meet(executor: Executor) -> None:
        together.wait(PATIENCE)

    for _ in range(SIZE):
        pool.do(meet)
    assert pool.deadline == math.inf
    pool.wake_more(100.0)
    assert pool.deadline == 100.0 + TASK_DELAY
    pool.wake_more(pool.deadline)

    together.wait(PATIENCE)
    pool.wake_more(200.0)
    assert pool.deadline == math.inf


def test_a_task_that_comes_alone_is_begun_although_others_take_long(pool: ThreadPool) -> None:
    go_on = threading.Event()
    begun = threading.Semaphore(0)

    def long(executor: Executor) -> None:
        begun.release()
        go_on.wait(PATIENCE)

    for _ in range(SIZE):
        pool.do(long)
        assert begun.acquire(timeout=PATIENCE)
    go_on.set()


def test_without_a_delay_all_tasks_begin_at_once() -> None:
    pool = ThreadPool(SIZE, lambda: InlineExecutor(exceptions=True), task_delay=0.0)
    pool.start()
    together = threading.Barrier(SIZE + 1)

    def meet(executor: Executor) -> None:
        together.wait(PATIENCE)

    for _ in range(SIZE):
        pool.do(meet)

    together.wait(PATIENCE)
    pool.leave(wait=True)


def test_every_task_is_done_once(pool: ThreadPool) -> None:
    done: list[int] = []
    over = threading.Semaphore(0)

    def task(number: int) -> None:
        done.append(number)
        over.release()

    for number in range(5000):
        pool.do(lambda executor, number=number: task(number))  # type: ignore[misc]  # a default binds the number
    for _ in range(5000):
        assert over.acquire(timeout=PATIENCE)

    assert sorted(done) == list(range(5000))


def test_each_thread_has_an_executor_that_leaves_with_it() -> None:
    left = threading.Semaphore(0)

    class Leaving(InlineExecutor):
        def leave(self) -> None:
            left.release()

    pool = ThreadPool(SIZE, lambda: Leaving(exceptions=True))
    pool.start()

    pool.leave(wait=True)

    assert all(left.acquire(blocking=False) for _ in range(SIZE))
