# SPDX-License-Identifier: MIT
"""The ownership of a worker's loop: an owner, and a guest between two jobs."""

import math
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from geartrain.worker.sync.ownership import CAN_SHARE, LoopOwnership

pytestmark = pytest.mark.skipif(not CAN_SHARE, reason="selectors cannot be shared here")

BOUND = 20.0


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@pytest.fixture
def ownership(sockets: tuple[socket.socket, socket.socket]) -> Iterator[LoopOwnership]:
    """The ownership of a loop that waits for the nearer of two sockets."""
    with selectors.DefaultSelector() as loop:
        loop.register(sockets[0], selectors.EVENT_READ)
        made = LoopOwnership(loop)
        yield made
        made.close()


def never() -> float:
    return math.inf


def test_the_owner_gets_it_when_the_loop_has_something_to_do(
    ownership: LoopOwnership, sockets: tuple[socket.socket, socket.socket]
) -> None:
    sockets[1].send(b"x")

    assert ownership.acquire_as_owner(never)
    ownership.release()


def test_the_owner_gets_it_when_something_is_due(ownership: LoopOwnership) -> None:
    assert ownership.acquire_as_owner(time.monotonic)
    ownership.release()


def test_the_owner_gets_it_when_it_is_woken(ownership: LoopOwnership) -> None:
    ownership.waker.wake()

    assert ownership.acquire_as_owner(never)
    ownership.release()


def test_the_owner_does_not_get_it_while_a_guest_has_it(
    ownership: LoopOwnership, sockets: tuple[socket.socket, socket.socket]
) -> None:
    assert ownership.acquire_as_guest()

    sockets[1].send(b"x")
    ownership.waker.wake()

    assert not ownership.acquire_as_owner(never)


def test_the_owner_is_woken_for_an_earlier_deadline(ownership: LoopOwnership) -> None:
    assert ownership.acquire_as_guest()
    ownership.release_as_guest(time.monotonic())

    assert ownership.acquire_as_owner(never)
    ownership.release()


def test_the_owner_sleeps_on_when_it_wakes_early_enough(
    ownership: LoopOwnership, sockets: tuple[socket.socket, socket.socket]
) -> None:
    asked = threading.Event()

    def soon() -> float:
        asked.set()
        return time.monotonic() + BOUND

    with ThreadPoolExecutor(1) as pool:
        owner = pool.submit(ownership.acquire_as_owner, soon)
        assert asked.wait(BOUND)
        assert ownership.acquire_as_guest()
        ownership.release_as_guest(time.monotonic() + 2 * BOUND)
        assert not owner.done()
        sockets[1].send(b"x")
        assert owner.result(BOUND / 2)
    ownership.release()


def test_sharing_ends_when_the_guest_has_released_it(ownership: LoopOwnership) -> None:
    assert ownership.acquire_as_guest()
    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(ownership.end_sharing)
        assert not kept.done()
        ownership.release_as_guest(math.inf)
        kept.result(BOUND)

    assert not ownership.acquire_as_guest()
