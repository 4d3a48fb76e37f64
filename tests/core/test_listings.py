# SPDX-License-Identifier: MIT
"""The budget of listings per turn: a peer that asks for many long lists does not delay others."""

import pytest

from geartrain.core.listings import MOST_LISTED
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer
from tests.core.valve import Valve

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


def test_names_cannot_change_the_terminal_that_shows_a_list(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    peer = wire.connect()
    name = "a\u202eb\x9b".encode()
    peer.send(Command.SET_CLIENT_ID, name)
    peer.send(Command.CAN_DO, name)
    peer.submit(name, name)
    peer.send(Command.OPTION_REQ, b"unknown")

    peer.take_bytes()
    for line in ("status", "workers", "show unique jobs", "show connections"):
        assert rb"a\xe2\x80\xaeb\xc2\x9b".decode() in peer.say(line)
    assert "\u202e" not in caplog.text


def test_one_long_list_is_sent_in_portions(wire: Wire) -> None:
    admin, other = wire.connect(), wire.connect()
    for number in range(3 * MOST_LISTED // ROW):
        admin.say(f"create function f{number:04}")
        wire.tick()

    admin.send_bytes(b"status\nversion\n")
    sizes = [len(admin.take_bytes())]
    while wire.server.is_waiting(admin.peer):
        assert other.ask(Command.ECHO_REQ, b"x") == (Command.ECHO_RES, b"x")
        wire.tick()
        sizes.append(len(admin.take_bytes()))

    assert len(sizes) == 4
    assert max(sizes) < MOST_LISTED + 2 * ROW


def test_lists_in_portions_take_turns(wire: Wire) -> None:
    readers = [wire.connect(), wire.connect()]
    for number in range(5 * MOST_LISTED // ROW):
        readers[0].say(f"create function f{number:04}")
        wire.tick()

    for reader in readers:
        reader.send_bytes(b"status\n")
    for _ in range(3):
        wire.tick()

    assert all(reader.take_bytes() for reader in readers)
    assert all(wire.server.is_waiting(reader.peer) for reader in readers)


def test_a_list_in_portions_waits_for_a_peer_that_does_not_read(wire: Wire) -> None:
    admin = wire.connect()
    for number in range(2 * MOST_LISTED // ROW):
        admin.say(f"create function f{number:04}")
        wire.tick()
    outlet = admin.peer.outlet = Valve()
    admin.send_bytes(b"status\nversion\n")
    outlet.is_slow = True

    assert wire.tick() is None
    assert len(admin.take_bytes()) < MOST_LISTED + 2 * ROW
    assert wire.tick() is None
    outlet.is_slow = False
    wire.server.resume_listing(admin.peer)
    wire.settle()

    assert admin.take_bytes().endswith(b".\nOK 0\n")


def test_peers_and_jobs_may_leave_while_they_are_listed(wire: Wire) -> None:
    admin = wire.connect()
    others = [wire.connect() for _ in range(3000)]
    for other in others:
        other.send(Command.SET_CLIENT_ID, b"x" * 40)
        other.submit(b"f")

    admin.send_bytes(b"workers\nshow jobs\nshow connections\n")
    for other in others:
        other.close()
    wire.settle()

    assert admin.take_bytes().splitlines().count(b".") == 3


def test_a_portion_of_a_list_has_so_many_pieces(wire: Wire) -> None:
    """Short pieces take long to make, compared with their size."""
    admin = wire.connect()
    for _ in range(3):
        wire.connect().send_bytes(b"".join([request(Command.CAN_DO, b"%d" % number) for number in range(3_000)]))
        wire.settle()

    admin.send_bytes(b"workers\n")

    assert admin.take_bytes().count(b" ") < 9_000
    assert wire.server.is_waiting(admin.peer)
    wire.settle()
