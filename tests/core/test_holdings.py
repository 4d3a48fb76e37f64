# SPDX-License-Identifier: MIT
"""Unfinished packets and unsent replies count into the memory limit, and have a time limit."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.limits import JOB_WEIGHT, Limit
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
    assert client.submit(b"f", b"", b"x" * (MOST - JOB_WEIGHT))


def test_the_peer_with_the_most_bytes_is_dropped_first(wire: Wire) -> None:
    smaller = begin(wire, 400_000)
    largest = begin(wire, 500_000)
    assert wire.server.peer_to_drop() is None
    begin(wire, 300_000)

    found = wire.server.peer_to_drop()
    assert found is not None
    assert found[0] is largest.peer
    assert "500000 bytes are held for it" in found[1]
    assert wire.server.refused[Limit.MEMORY] == 1

    largest.close()
    assert wire.server.peer_to_drop() is None
    assert not smaller.is_closed


def test_a_part_is_left_when_jobs_take_all(wire: Wire) -> None:
    wire.connect().submit(b"f", b"", b"x" * (MOST - JOB_WEIGHT))

    begin(wire, 200_000)
    assert wire.server.peer_to_drop() is None
    begin(wire, 100_000)
    assert wire.server.peer_to_drop() is not None


def test_unsent_replies_count(wire: Wire) -> None:
    client = wire.connect()
    outlet = client.peer.outlet = Valve()
    outlet.waiting = MOST + 1

    wire.server.count_unsent(client.peer)
    found = wire.server.peer_to_drop()
    assert found is not None
    assert found[0] is client.peer

    outlet.waiting = 0
    wire.advance(1.0)
    assert wire.server.peer_to_drop() is None
    assert not wire.server.holds_bytes


def test_a_packet_must_be_complete_in_time(wire: Wire) -> None:
    slow, quick, line = begin(wire, 20), begin(wire, 20), wire.connect()
    line.send_bytes(b"stat")
    wire.advance(59.0)
    quick.send_bytes(PACKET[20:])
    slow.send_bytes(b"x")
    assert wire.server.peer_to_drop() is None

    wire.advance(3.0)

    assert wire.server.peer_to_drop() == (slow.peer, "its packet is not complete in time")
    assert wire.server.peer_to_drop() is None


def test_a_large_packet_has_more_time(wire: Wire) -> None:
    peer = begin(wire, 640 * 1024)

    wire.advance(69.0)
    assert wire.server.peer_to_drop() is None
    wire.advance(2.0)
    assert wire.server.peer_to_drop() is not None
    peer.close()


def test_a_packet_that_follows_has_its_own_time(wire: Wire) -> None:
    peer = begin(wire, 20)
    wire.advance(50.0)
    peer.send_bytes(PACKET[20:] + PACKET[:10])

    wire.advance(50.0)
    assert wire.server.peer_to_drop() is None
