# SPDX-License-Identifier: MIT
"""Calls from other threads into a loop."""

import select
from functools import partial

from geartrain.worker.sync.callqueue import CallQueue


def test_calls_are_made_in_order_and_wake_the_loop() -> None:
    queue = CallQueue()
    queue.open()
    called: list[int] = []
    for number in range(3):
        assert queue.post(partial(called.append, number))

    assert select.select([queue], [], [], 0)[0] == [queue]
    queue.run()

    assert called == [0, 1, 2]
    assert select.select([queue], [], [], 0)[0] == []
    queue.close()


def test_a_full_pipe_loses_no_call() -> None:
    queue = CallQueue()
    queue.open()
    called: list[int] = []
    for number in range(20_000):
        queue.post(partial(called.append, number))

    queue.close()

    assert called == list(range(20_000))


def test_a_closed_queue_rejects_calls() -> None:
    queue = CallQueue()
    queue.close()

    assert not queue.post(lambda: None)


def test_calls_that_were_made_before_it_was_opened_wake_the_loop() -> None:
    queue = CallQueue()
    called: list[int] = []
    queue.post(partial(called.append, 1))

    queue.open()

    assert select.select([queue], [], [], 0)[0] == [queue]
    queue.close()
    assert called == [1]
