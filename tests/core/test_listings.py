# SPDX-License-Identifier: MIT
"""The budget of listings per turn: a peer that asks for many long lists does not delay others."""

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
    """Return the number of lists that a peer was sent since the last call."""
    return peer.take_bytes().count(b".\n")


def test_lists_beyond_a_size_wait_for_the_next_turn(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 12)
    assert wire.server.is_waiting(admin.peer)

    turns = []
    while wire.server.is_waiting(admin.peer):
        turns.append(listings(admin))
        assert wire.advance(0) == (0.0 if wire.server.is_waiting(admin.peer) else None)

    assert [*turns, listings(admin)] == [4, 4, 4]


def test_replies_after_lists_stay_behind_them(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 6 + b"version\n")
    admin.send_bytes(b"getpid\n")
    listings(admin)

    wire.advance(0)

    assert admin.take_bytes().endswith(b".\nOK 0\nOK 0\n")


def test_other_peers_are_served_in_the_meantime(wire: Wire, admin: WirePeer) -> None:
    client = wire.connect()
    admin.send_bytes(b"status\n" * 100)

    assert client.ask(Command.ECHO_REQ, b"x") == (Command.ECHO_RES, b"x")


def test_a_peer_that_has_to_wait_for_a_turn_gets_all_its_lists_in_one_turn(wire: Wire, admin: WirePeer) -> None:
    """Tools that read once expect that (protocol 10)."""
    tool = wire.connect()
    admin.send_bytes(b"status\n" * 5)
    tool.send_bytes(b"status\nversion\n")
    assert listings(tool) == 0

    wire.advance(0)

    assert tool.take_bytes().endswith(b".\nOK 0\n")


def test_a_peer_has_its_own_budget_once_it_was_answered(wire: Wire, admin: WirePeer) -> None:
    tool = wire.connect()
    admin.send_bytes(b"status\n" * 3)
    tool.send_bytes(b"status\nstatus\nversion\n")

    assert tool.take_bytes().endswith(b".\nOK 0\n")


def test_a_peer_that_disconnects_is_removed(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 100)
    admin.close()

    assert wire.advance(0) is None
    assert not wire.server.is_waiting(admin.peer)


def test_a_peer_that_is_being_closed_gets_no_more_lists(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 100)
    listings(admin)
    wire.server.drain()
    wire.server.take_dirty()

    wire.advance(0)

    assert admin.is_closed
    assert admin.take_bytes() == b""


def test_an_error_after_lists_is_handled_in_its_turn(wire: Wire, admin: WirePeer) -> None:
    admin.send_bytes(b"status\n" * 12)

    admin.send_bytes(b"\0not Gearman")
    wire.advance(0)

    assert not admin.is_closed
    wire.advance(0)
    assert admin.is_closed


def test_waiting_peers_take_turns(wire: Wire, admin: WirePeer) -> None:
    others = [wire.connect(), wire.connect()]
    admin.send_bytes(b"status\n" * 100)
    for other in others:
        other.send_bytes(b"status\nversion\n")

    for _ in range(3):
        wire.advance(0)

    assert all(other.take_bytes().endswith(b".\nOK 0\n") for other in others)
