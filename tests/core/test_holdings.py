# SPDX-License-Identifier: MIT
"""Unfinished packets and unsent replies count into the memory limit, and have a time limit."""

from itertools import pairwise

import pytest

from geartrain.core import Durability, JobServerOptions
from geartrain.core.access import SUBMIT, AccessRules, Rule
from geartrain.core.limits import FUNCTION_WEIGHT, JOB_WEIGHT, Limit
from geartrain.protocol import Command
from geartrain.protocol.packets import request
from geartrain.testing.wire import Wire, WirePeer
from tests.core.valve import Valve

MOST = 1_000_000
PACKET = request(Command.SUBMIT_JOB, b"f", b"", b"x" * 900_000)


@pytest.fixture
def wire() -> Wire:
    return Wire(JobServerOptions(max_memory=MOST, packet_timeout=60.0))


def begin(wire: Wire, size: int) -> WirePeer:
    peer = wire.connect()
    peer.send_bytes(PACKET[:size])
    wire.tick()
    return peer


def test_unfinished_packets_leave_less_for_jobs(wire: Wire) -> None:
    client = wire.connect()
    half = begin(wire, MOST // 2)

    reply = client.ask(Command.SUBMIT_JOB, b"f", b"", b"x" * (MOST // 2))
    assert reply[:2] == (Command.ERROR, b"QUEUE_ERROR")

    half.send_bytes(PACKET[MOST // 2 :])
    half.close()
    wire.tick()
    assert client.submit(b"f", b"", b"x" * (MOST - JOB_WEIGHT - FUNCTION_WEIGHT - 1))


def test_the_peer_with_the_most_bytes_is_dropped_first(wire: Wire) -> None:
    smaller = begin(wire, 400_000)
    largest = begin(wire, 500_000)
    assert wire.server.memory.peer_to_drop() is None
    begin(wire, 300_000)

    found = wire.server.memory.peer_to_drop()
    assert found is not None
    assert found[0] is largest.peer
    assert "500000 bytes are held for it" in found[1]
    assert wire.server.refused[Limit.MEMORY] == 1

    largest.close()
    assert wire.server.memory.peer_to_drop() is None
    assert not smaller.is_closed


def test_a_part_is_left_when_jobs_take_all(wire: Wire) -> None:
    wire.connect().submit(b"f", b"", b"x" * (MOST - JOB_WEIGHT))

    begin(wire, 200_000)
    assert wire.server.memory.peer_to_drop() is None
    begin(wire, 100_000)
    assert wire.server.memory.peer_to_drop() is not None


def test_unsent_replies_count(wire: Wire) -> None:
    client = wire.connect()
    outlet = client.peer.outlet = Valve()
    outlet.waiting = MOST + 1

    wire.server.memory.count_unsent(client.peer)
    found = wire.server.memory.peer_to_drop()
    assert found is not None
    assert found[0] is client.peer

    outlet.waiting = 0
    wire.advance(1.0)
    assert wire.server.memory.peer_to_drop() is None
    assert not wire.server.memory.may_be_too_much


def test_a_packet_must_be_complete_in_time(wire: Wire) -> None:
    slow, quick, line = begin(wire, 20), begin(wire, 20), wire.connect()
    line.send_bytes(b"stat")
    wire.advance(59.0)
    quick.send_bytes(PACKET[20:])
    slow.send_bytes(b"x")
    assert wire.server.memory.peer_to_drop() is None

    wire.advance(3.0)

    assert wire.server.memory.peer_to_drop() == (slow.peer, "its packet is not complete in time")
    assert wire.server.memory.peer_to_drop() is None


def test_a_large_packet_has_more_time(wire: Wire) -> None:
    peer = begin(wire, 640 * 1024)

    wire.advance(69.0)
    assert wire.server.memory.peer_to_drop() is None
    wire.advance(2.0)
    assert wire.server.memory.peer_to_drop() is not None
    peer.close()


def test_a_packet_that_follows_has_its_own_time(wire: Wire) -> None:
    peer = begin(wire, 20)
    wire.advance(50.0)
    peer.send_bytes(PACKET[20:] + PACKET[:10])

    wire.advance(50.0)
    assert wire.server.memory.peer_to_drop() is None


def test_a_packet_of_the_same_size_that_follows_has_its_own_time_too(wire: Wire) -> None:
    """The number of bytes that wait does not change, so that the server looks only when the time is over."""
    peer = begin(wire, 20)
    wire.advance(50.0)
    peer.send_bytes(PACKET[20:] + PACKET[:20])

    wire.advance(20.0)
    assert wire.server.memory.peer_to_drop() is None
    wire.advance(61.0)
    assert wire.server.memory.peer_to_drop() is not None


def held(peer: WirePeer) -> int:
    return peer.peer.partial + peer.peer.unsent


def test_input_beyond_the_share_of_a_turn_counts(wire: Wire) -> None:
    echo = request(Command.ECHO_REQ, b"x" * 10)
    peer = wire.connect()
    peer.send_bytes(echo * 10_000)
    assert held(peer) >= len(echo) * 10_000, "the packets that were handled are in memory with the others"
    peer.send_bytes(echo * 10_000)
    assert held(peer) >= len(echo) * 15_000

    wire.settle()
    assert held(peer) == 0


def test_input_that_waits_until_all_jobs_are_restored_counts(wire: Wire) -> None:
    wire.server.begin_restoring(0)
    client = wire.connect()
    client.send(Command.SUBMIT_JOB, b"f", b"", b"x" * 10_000)
    assert held(client) > 10_000

    wire.server.end_restoring()
    assert held(client) == 0


def test_replies_that_wait_for_the_store_count() -> None:
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    client = wire.connect()
    client.send_bytes(request(Command.SUBMIT_JOB_BG, b"f", b"u", b"") * 1_000)
    wire.server.take_dirty()

    wire.advance(1.0)

    assert held(client) > 20_000


def test_small_replies_count_within_a_second(wire: Wire) -> None:
    client = wire.connect()
    outlet = client.peer.outlet = Valve()
    client.send(Command.ECHO_REQ, b"x")
    wire.server.take_dirty()
    outlet.waiting = MOST + 1
    assert not wire.server.memory.may_be_too_much

    wire.advance(1.0)
    assert wire.server.memory.peer_to_drop() is not None
    client.close()
    assert not wire.server.memory.may_be_too_much


def test_functions_of_workers_count_within_a_second(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    for number in range(400):
        client.say(f"create function f{number}")
        worker.send(Command.CAN_DO, b"f%d" % number)

    wire.advance(1.0)

    found = wire.server.memory.peer_to_drop()
    assert found is not None
    assert found[0] is worker.peer


def test_jobs_that_were_taken_from_a_worker_count(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    wire.server.memory.count_unsent(worker.peer)
    before = held(worker)

    wire.advance(1.0)
    wire.server.memory.count_unsent(worker.peer)

    assert held(worker) > before


def test_functions_to_which_a_worker_has_no_right_count() -> None:
    wire = Wire(JobServerOptions(access=AccessRules((Rule(rights=SUBMIT),))))
    worker = wire.connect()
    for number in range(10):
        worker.send(Command.CAN_DO, b"f%d" % number + bytes(1_000))

    wire.advance(1.0)

    assert held(worker) > 10_000


def test_jobs_for_which_a_peer_waits_count(wire: Wire) -> None:
    clients = [wire.connect() for _ in range(3)]
    for number in range(100):
        for client in clients:
            client.submit(b"f", b"%d" % number)
    for client in clients:
        wire.server.memory.count_unsent(client.peer)

    assert {held(client) for client in clients} == {20_000}


def test_functions_are_refused_that_take_more_than_their_part_of_the_memory() -> None:
    wire = Wire(JobServerOptions(max_memory=100_000, max_functions=0))
    client = wire.connect()
    client.submit(b"f", b"", b"x" * 90_000)
    names = [b"%d" % number + b"x" * 7_000 for number in range(10)]

    replies = [client.ask(Command.SUBMIT_JOB, name, b"", b"")[:2] for name in names]
    wire.tick()

    refused = (Command.ERROR, b"QUEUE_ERROR")
    assert [reply == refused for reply in replies] == [False, False] + [True] * 8
    assert wire.server.refused[Limit.MEMORY] == 8


def test_functions_leave_less_for_jobs(wire: Wire) -> None:
    client = wire.connect()
    for number in range(100):
        client.say(f"create function f{number:03}")
    wire.tick()
    room = MOST - 100 * (FUNCTION_WEIGHT + 4) - JOB_WEIGHT

    assert client.ask(Command.SUBMIT_JOB, b"f000", b"", bytes(room + 1))[:2] == (Command.ERROR, b"QUEUE_ERROR")
    assert client.submit(b"f000", b"", bytes(room))


def test_jobs_and_unfinished_packets_leave_less_for_functions(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f000", b"", bytes(200_000 - JOB_WEIGHT))
    begin(wire, 400_000)

    replies = [client.say(f"create function f{number:03}") for number in range(1, 250)]

    created = [reply == "OK\r\n" for reply in replies]
    fit = (MOST - 600_000) // (FUNCTION_WEIGHT + 4)
    assert created == [True] * (fit - 1) + [False] * (len(created) - fit + 1)


def test_a_peer_that_is_to_be_dropped_is_found_once(wire: Wire) -> None:
    begin(wire, 800_000)
    second = begin(wire, 800_000)

    assert wire.server.memory.peer_to_drop() is not None
    assert wire.server.memory.peer_to_drop() is None
    second.close()


def test_without_a_limit_no_peer_holds_too_much() -> None:
    wire = Wire(JobServerOptions(max_memory=0, packet_timeout=0.0))
    begin(wire, 900_000)

    wire.advance(1_000.0)

    assert not wire.server.memory.may_be_too_much
    assert wire.server.memory.peer_to_drop() is None


def test_a_peer_that_has_left_is_not_counted(wire: Wire) -> None:
    client = wire.connect()
    outlet = client.peer.outlet = Valve()
    outlet.waiting = 1_000
    client.send(Command.ECHO_REQ, b"x")
    client.close()

    wire.server.take_dirty()
    wire.server.memory.count_unsent(client.peer)

    assert held(client) == 0


def test_unsent_replies_are_counted_again_although_nothing_else_happens(wire: Wire) -> None:
    clients = [wire.connect() for _ in range(2)]
    for client in clients:
        outlet = client.peer.outlet = Valve()
        outlet.waiting = 1_000
        wire.server.memory.count_unsent(client.peer)
    begin(wire, 20)

    assert wire.tick() == 1.0, "rather than when the packet is overdue"
    outlet.waiting = 0
    wire.advance(1.0)

    assert [held(client) for client in clients] == [1_000, 0]


def test_replies_that_were_sent_are_not_counted_again(wire: Wire) -> None:
    client = wire.connect()
    outlet = client.peer.outlet = Valve()
    outlet.waiting = 1_000
    wire.server.memory.count_unsent(client.peer)
    outlet.waiting = 0

    assert wire.tick() is None


def test_replies_of_a_connection_and_of_the_store_are_counted_again() -> None:
    """Also if both are as many."""
    wire = Wire(JobServerOptions(durability=Durability.COMMIT))
    client = wire.connect()
    outlet = client.peer.outlet = Valve()
    client.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
    wire.server.take_dirty()
    outlet.waiting = size = client.peer.outbox.held_size()
    wire.advance(1.0)
    assert held(client) == 2 * size

    outlet.waiting = 0
    wire.advance(1.0)

    assert held(client) == size


def test_a_wait_until_another_packet_is_overdue_stays(wire: Wire) -> None:
    for _ in range(2):
        begin(wire, 20)

    assert wire.tick() == 60.0


def test_replies_have_the_room_that_jobs_functions_and_peers_leave(wire: Wire) -> None:
    client = wire.connect()
    rooms = [wire.server.memory.room_for_replies()]
    for number in range(100):
        client.say(f"create function f{number:03}")
    rooms.append(wire.server.memory.room_for_replies())
    client.submit(b"f000", b"", bytes(300_000), how=Command.SUBMIT_JOB_BG)
    rooms.append(wire.server.memory.room_for_replies())
    begin(wire, 100_000)
    rooms.append(wire.server.memory.room_for_replies())

    used = [before - after for before, after in pairwise(rooms)]
    assert rooms[0] == MOST
    assert used == [100 * (FUNCTION_WEIGHT + 4), JOB_WEIGHT + 300_000, 100_000]


def test_the_input_and_the_replies_of_a_peer_add_up(wire: Wire) -> None:
    for dropped in range(1, 4):
        peer, other = begin(wire, 400_000), begin(wire, 550_000)
        outlet = peer.peer.outlet = Valve()
        outlet.waiting = 200_000
        wire.server.memory.count_unsent(peer.peer)

        found = wire.server.memory.peer_to_drop()

        assert found == (peer.peer, "600000 bytes are held for it, and all together exceed the memory limit")
        assert wire.server.refused[Limit.MEMORY] == dropped
        for each in (peer, other):
            each.close()


def test_of_many_peers_only_a_portion_is_compared(wire: Wire) -> None:
    for _ in range(600):
        begin(wire, 1_900)
    largest = begin(wire, 2_000)

    found = wire.server.memory.peer_to_drop()

    assert found is not None
    assert found[0] is not largest.peer
    assert "1900 bytes are held" in found[1]
