# SPDX-License-Identifier: MIT
"""Which thread has a worker's loop."""

import math
import os
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from geartrain.worker.sync.baton import CAN_LEND, Baton

pytestmark = pytest.mark.skipif(not CAN_LEND, reason="selectors cannot be lent here")

BOUND = 20.0


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@pytest.fixture
def baton(sockets: tuple[socket.socket, socket.socket]) -> Iterator[Baton]:
    """The baton of a loop that waits for the nearer of two sockets."""
    with selectors.DefaultSelector() as loop:
        loop.register(sockets[0], selectors.EVENT_READ)
        made = Baton(loop)
        yield made
        made.close()


def never() -> float:
    return math.inf


def test_the_keeper_gets_it_when_the_loop_has_something_to_do(
    baton: Baton, sockets: tuple[socket.socket, socket.socket]
) -> None:
    sockets[1].send(b"x")

    assert baton.keep(never)
    baton.put_down()


def test_the_keeper_gets_it_when_something_is_due(baton: Baton) -> None:
    assert baton.keep(time.monotonic)
    baton.put_down()


def test_the_keeper_gets_it_when_it_is_called(baton: Baton) -> None:
    os.write(baton.button, b"!")

    assert baton.keep(never)
    baton.put_down()


def test_the_keeper_leaves_a_loop_alone_that_is_borrowed(
    baton: Baton, sockets: tuple[socket.socket, socket.socket]
) -> None:
    assert baton.borrow()

    sockets[1].send(b"x")
    os.write(baton.button, b"!")

    assert not baton.keep(never)


def test_the_keeper_is_called_back_for_what_it_does_not_know_of(baton: Baton) -> None:
    assert baton.borrow()
    baton.give_back(time.monotonic())

    assert baton.keep(never)
    baton.put_down()


def test_the_keeper_sleeps_on_when_it_wakes_early_enough(
    baton: Baton, sockets: tuple[socket.socket, socket.socket]
) -> None:
    asked = threading.Event()

    def soon() -> float:
        asked.set()
        return time.monotonic() + BOUND

    with ThreadPoolExecutor(1) as pool:
        keeper = pool.submit(baton.keep, soon)
        assert asked.wait(BOUND)
        assert baton.borrow()
        baton.give_back(time.monotonic() + 2 * BOUND)
        assert not keeper.done()
        sockets[1].send(b"x")
        assert keeper.result(BOUND / 2)
    baton.put_down()


def test_it_is_kept_for_good_when_it_has_been_given_back(baton: Baton) -> None:
    assert baton.borrow()
    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(baton.keep_for_good)
        assert not kept.done()
        baton.give_back(math.inf)
        kept.result(BOUND)

    assert not baton.borrow()
