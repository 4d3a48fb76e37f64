# SPDX-License-Identifier: MIT
"""Packets about a job to many waiting clients, which the server sends in portions."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.fanout import AT_ONCE
from geartrain.core.turns import BYTES_PER_UNIT, TURN
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

BODY = b"x" * (63 << BYTES_PER_UNIT)  # costs 64 units
AT_MOST = TURN // 64  # clients that get it in a turn
MANY = 3 * AT_MOST // 2  # clients


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    return worker


def crowd(wire: Wire, count: int = MANY) -> list[WirePeer]:
    """Connect clients that wait for the same job."""
    clients = [wire.connect() for _ in range(count)]
    for client in clients:
        client.submit(b"f", b"u")
    return clients


def told(clients: list[WirePeer]) -> int:
    return sum(len(client.packets()) for client in clients)


def grab(worker: WirePeer) -> bytes:
    handle = worker.ask(Command.GRAB_JOB)[1]
    assert isinstance(handle, bytes)
    return handle


def test_few_submissions_get_a_packet_at_once(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire, AT_ONCE)

    worker.send(Command.WORK_COMPLETE, grab(worker), b"done")

    assert told(clients) == AT_ONCE


def test_many_clients_get_a_result_in_portions(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)

    worker.send(Command.WORK_COMPLETE, grab(worker), BODY)
    assert told(clients) == 0

    counts = []
    while wire.tick() == 0.0:
        counts.append(told(clients))
    counts.append(told(clients))
    assert max(counts) <= AT_MOST
    assert sum(counts) == MANY


def test_a_large_packet_is_sent_to_fewer_in_a_turn(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    worker.send(Command.WORK_COMPLETE, grab(worker), BODY * 4)

    wire.tick()
    assert told(clients) <= AT_MOST // 4 + 1

    wire.settle()
    assert all(not client.peer.awaited for client in clients)


def test_many_submissions_of_one_client_are_answered_in_portions(wire: Wire, worker: WirePeer) -> None:
    [client] = crowd(wire, 1)
    for _ in range(MANY - 1):
        client.submit(b"f", b"u")
    worker.send(Command.WORK_COMPLETE, grab(worker), BODY)

    wire.tick()
    assert 0 < told([client]) <= AT_MOST
    assert client.peer.awaited
    wire.settle()
    assert told([client]) >= MANY - AT_MOST
    assert not client.peer.awaited


def test_packets_about_a_job_keep_their_order(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    handle = grab(worker)
    worker.send(Command.WORK_DATA, handle, BODY + b"1")
    for client in clients[2:]:
        client.close()
    worker.send(Command.WORK_DATA, handle, b"2")
    worker.send(Command.WORK_COMPLETE, handle, b"3")
    assert told(clients[:2]) == 0, "the second one is for few, and waits for the first"

    wire.settle()

    for client in clients[:2]:
        assert [packet[2] for packet in client.packets()] == [BODY + b"1", b"2", b"3"]


def test_jobs_take_turns(wire: Wire, worker: WirePeer) -> None:
    crowds = []
    for name in (b"1", b"2"):
        crowds.append([wire.connect() for _ in range(2 * AT_MOST)])
        for client in crowds[-1]:
            client.submit(b"f", name)
    other = wire.connect()
    other.send(Command.CAN_DO, b"f")
    for each in (worker, other):
        each.send(Command.WORK_COMPLETE, grab(each), BODY)

    counts = []
    for _ in range(2):
        wire.tick()
        counts.append([told(clients) for clients in crowds])

    assert counts[0][0] > counts[0][1] == 0
    assert counts[1][1] > counts[1][0] == 0


def test_clients_that_leave_meanwhile_are_skipped(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    worker.send(Command.WORK_COMPLETE, grab(worker), BODY)
    wire.tick()
    rest = [client for client in clients if client.peer.awaited]

    for client in rest[::2]:
        client.close()
    wire.settle()

    assert told(rest[::2]) == 0
    assert told(rest[1::2]) == len(rest[1::2])
    assert not wire.server.has_work


def test_each_client_gets_the_kind_of_failure_that_it_wants(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    for client in clients[::2]:
        client.ask(Command.OPTION_REQ, b"exceptions")

    worker.send(Command.WORK_EXCEPTION, grab(worker), BODY)
    wire.settle()

    assert {client.packets()[0][0] for client in clients[::2]} == {Command.WORK_EXCEPTION}
    assert {client.packets()[0][0] for client in clients[1::2]} == {Command.WORK_FAIL}


def test_a_new_job_with_the_unique_may_begin_before_all_have_the_result(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    handle = grab(worker)
    worker.send(Command.WORK_COMPLETE, handle, BODY)

    assert clients[0].submit(b"f", b"u") != handle

    wire.settle()
    assert [packet[1] for packet in clients[0].packets()] == [handle]


def test_packets_that_wait_count_into_the_memory() -> None:
    wire = Wire(JobServerOptions(max_memory=1 << 30))
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    crowd(wire)
    worker.send(Command.WORK_COMPLETE, grab(worker), BODY)

    room = wire.server.memory.room_for_replies()
    wire.settle()

    assert wire.server.memory.room_for_replies() - room >= len(BODY)


def test_a_server_that_drains_stops_when_all_have_the_result(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    handle = grab(worker)
    wire.server.drain()
    wire.settle()
    assert wire.server.is_busy

    worker.send(Command.WORK_COMPLETE, handle, BODY)
    wire.tick()
    wire.server.take_dirty()
    assert wire.server.is_busy
    assert not all(client.is_closed for client in clients)

    wire.settle()
    wire.server.take_dirty()
    assert not wire.server.is_busy
    assert told(clients) == MANY
    assert all(client.is_closed for client in clients)


def test_a_server_that_stops_sends_the_rest_at_once(wire: Wire, worker: WirePeer) -> None:
    clients = crowd(wire)
    worker.send(Command.WORK_COMPLETE, grab(worker), BODY)

    wire.server.send_results()

    assert told(clients) == MANY
    assert not wire.server.is_busy
