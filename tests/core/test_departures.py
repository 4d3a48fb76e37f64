# SPDX-License-Identifier: MIT
"""Peers with many functions or jobs leave in portions, and nothing is lost or done in another order."""

import pytest

from geartrain.core.departures import PORTION
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

MANY = 2 * PORTION + 10


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    return worker


def test_running_jobs_wait_again_in_their_order(wire: Wire, worker: WirePeer) -> None:
    client, other = wire.connect(), wire.connect()
    handles = [client.submit(b"f") for _ in range(MANY)]
    for _ in range(MANY):
        worker.send(Command.GRAB_JOB)

    worker.close()
    assert client.say("status") == f"f\t{MANY}\t{MANY}\t1\n.\n"
    wire.settle()

    assert client.say("status") == f"f\t{MANY}\t0\t0\n.\n"
    other.send(Command.CAN_DO, b"f")
    assert [other.ask(Command.GRAB_JOB)[1] for _ in range(MANY)] == handles


def test_a_sleeping_worker_is_woken_for_the_oldest_job(wire: Wire, worker: WirePeer) -> None:
    client, other = wire.connect(), wire.connect()
    first = client.submit(b"f")
    for _ in range(MANY):
        client.submit(b"f")
    for _ in range(MANY + 1):
        worker.send(Command.GRAB_JOB)
    other.send(Command.CAN_DO, b"f")
    other.send(Command.PRE_SLEEP)

    worker.close()
    wire.settle()

    assert other.packets() == [(Command.NOOP,)]
    assert other.ask(Command.GRAB_JOB)[1] == first


def test_a_turn_removes_a_portion_of_functions_and_awaited_jobs(wire: Wire) -> None:
    client, watcher = wire.connect(), wire.connect()
    for number in range(10):
        client.send(Command.CAN_DO, b"g%d" % number)
    for _ in range(MANY):
        client.submit(b"f")

    client.close()
    wire.tick()

    assert f"f\t{MANY - PORTION + 10}\t0\t0" in watcher.say("status").splitlines()


def test_a_turn_removes_a_portion_of_functions_and_running_jobs(wire: Wire, worker: WirePeer) -> None:
    client, watcher = wire.connect(), wire.connect()
    for _ in range(MANY):
        client.submit(b"f")
        worker.send(Command.GRAB_JOB)

    worker.close()
    wire.tick()

    assert watcher.say("status") == f"f\t{MANY}\t{MANY - PORTION + 1}\t0\n.\n"


def test_jobs_that_only_it_waited_for_are_dropped(wire: Wire) -> None:
    client = wire.connect()
    for _ in range(MANY):
        client.submit(b"f")

    client.close()
    wire.settle()

    assert not wire.server.has_work


def test_a_sleeper_that_is_leaving_gets_no_job(wire: Wire, worker: WirePeer) -> None:
    for number in range(MANY):
        worker.send(Command.CAN_DO, b"f%d" % number)
    worker.send(Command.PRE_SLEEP)
    worker.packets()
    client = wire.connect()

    worker.close()
    client.submit(b"f%d" % (MANY - 1))
    assert worker.packets() == []
    wire.settle()

    assert client.say("status").splitlines()[MANY] == f"f{MANY - 1}\t1\t0\t0"


def test_two_that_leave_together(wire: Wire) -> None:
    clients = [wire.connect() for _ in range(2)]
    for client in clients:
        for _ in range(MANY):
            client.submit(b"f")

    for client in clients:
        client.close()
    wire.settle()

    assert not wire.server.has_work
