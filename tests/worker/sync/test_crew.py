# SPDX-License-Identifier: MIT
"""The threads of a blocking worker."""

import math
import threading
from collections.abc import Iterator

import pytest

from geartrain.worker.sync.crew import PATIENCE as CREW_PATIENCE
from geartrain.worker.sync.crew import Crew, Hand, OwnHand

PATIENCE = 30.0  # seconds that nothing takes unless it will take for ever
SIZE = 4


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(SIZE, lambda: OwnHand(exceptions=True))
    crew.start()
    yield crew
    crew.leave(wait=True)


def test_tasks_that_come_together_are_done_by_one_thread_until_one_takes_long(crew: Crew) -> None:
    together = threading.Barrier(SIZE + 1)

    def meet(hand: Hand) -> None:
        together.wait(PATIENCE)

    for _ in range(SIZE):
        crew.do(meet)
    assert crew.deadline == math.inf
    crew.look(100.0)
    assert crew.deadline == 100.0 + CREW_PATIENCE
    crew.look(crew.deadline)

    together.wait(PATIENCE)
    crew.look(200.0)
    assert crew.deadline == math.inf


def test_a_task_that_comes_alone_is_begun_although_others_take_long(crew: Crew) -> None:
    go_on = threading.Event()
    begun = threading.Semaphore(0)

    def long(hand: Hand) -> None:
        begun.release()
        go_on.wait(PATIENCE)

    for _ in range(SIZE):
        crew.do(long)
        assert begun.acquire(timeout=PATIENCE)
    go_on.set()


def test_a_crew_without_patience_begins_all_at_once() -> None:
    crew = Crew(SIZE, lambda: OwnHand(exceptions=True), patience=0.0)
    crew.start()
    together = threading.Barrier(SIZE + 1)

    def meet(hand: Hand) -> None:
        together.wait(PATIENCE)

    for _ in range(SIZE):
        crew.do(meet)

    together.wait(PATIENCE)
    crew.leave(wait=True)


def test_every_task_is_done_once(crew: Crew) -> None:
    done: list[int] = []
    over = threading.Semaphore(0)

    def task(number: int) -> None:
        done.append(number)
        over.release()

    for number in range(5000):
        crew.do(lambda hand, number=number: task(number))  # type: ignore[misc]  # a default binds the number
    for _ in range(5000):
        assert over.acquire(timeout=PATIENCE)

    assert sorted(done) == list(range(5000))


def test_each_thread_has_a_hand_that_leaves_with_it() -> None:
    left = threading.Semaphore(0)

    class Leaving(OwnHand):
        def leave(self) -> None:
            left.release()

    crew = Crew(SIZE, lambda: Leaving(exceptions=True))
    crew.start()

    crew.leave(wait=True)

    assert all(left.acquire(blocking=False) for _ in range(SIZE))
