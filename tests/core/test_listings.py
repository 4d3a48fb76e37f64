# SPDX-License-Identifier: MIT
"""Whoever asks for many long lists in one breath is answered in parts, and holds up nobody."""

import pytest

from geartrain.core.listings import MOST_LISTED
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

ROW = len("f000\t0\t0\t0\n")
STATUS = MOST_LISTED // 4  # bytes of `status`, about
FUNCTIONS = STATUS // ROW


@pytest.fixture
def admin(wire: Wire) -> WirePeer:
    admin = wire.connect()
    for number in range(FUNCTIONS):
        admin.say(f"create function f{number:03}")
    wire.advance(0)
    return admin


def listings(peer: WirePeer) -> int:
    """Return how many lists a peer was sent since the last time."""
    return peer.take_bytes().count(b".\n")


def test_lists_beyond_a_size_wait_for_the_next_turn(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 12)
    assert admin.peer in wire.server.parked

    turns = []
    while admin.peer in wire.server.parked:
        turns.append(listings(admin))
        assert wire.advance(0) == (0.0 if admin.peer in wire.server.parked else None)

    assert [*turns, listings(admin)] == [4, 4, 4]
    assert wire.server.resumed == [admin.peer]


def test_what_comes_behind_them_stays_behind_them(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 6 + b"version\n")
    admin.send_bytes(b"getpid\n")
    listings(admin)

    wire.advance(0)

    assert admin.take_bytes().endswith(b".\nOK 0\nOK 0\n")


def test_others_are_served_meanwhile(wire: Wire, admin: WirePeer) -> None:
    client = wire.connect()
    admin.send_bytes(b"status\n" * 100)

    assert client.ask(Command.ECHO_REQ, b"x") == (Command.ECHO_RES, b"x")


def test_who_asks_when_another_one_has_had_the_turn_is_answered_in_one_breath(wire: Wire, admin: WirePeer) -> None:
    """As tools expect that read once (protocol 10)."""
    tool = wire.connect()
    admin.send_bytes(b"status\n" * 5)
    tool.send_bytes(b"status\nversion\n")
    assert listings(tool) == 0

    wire.advance(0)

    assert tool.take_bytes().endswith(b".\nOK 0\n")


def test_who_has_begun_may_finish_whatever_others_took(wire: Wire, admin: WirePeer) -> None:
    tool = wire.connect()
    admin.send_bytes(b"status\n" * 3)
    tool.send_bytes(b"status\nstatus\nversion\n")

    assert tool.take_bytes().endswith(b".\nOK 0\n")


def test_who_leaves_is_forgotten(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 100)
    admin.close()

    assert wire.advance(0) is None
    assert not wire.server.parked


def test_who_is_to_leave_is_told_nothing_more(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 100)
    listings(admin)
    wire.server.drain()
    wire.server.take_dirty()

    wire.advance(0)

    assert admin.is_closed
    assert admin.take_bytes() == b""


def test_who_is_refused_meanwhile_does_not_hold_up_the_others(wire: Wire, admin: WirePeer) -> None:
    other = wire.connect()
    admin.send_bytes(b"status\n" * 100)
    other.send_bytes(b"version\n")

    admin.send_bytes(b"\0not Gearman")
    wire.advance(0)

    assert admin.is_closed
    assert other.take_bytes().endswith(b"OK 0\n")
