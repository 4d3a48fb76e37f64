# SPDX-License-Identifier: MIT
"""How many connections there may be, and what becomes of those beyond."""

import socket
from contextlib import ExitStack

import pytest

from geartrain import AdminClient
from geartrain.core.limits import Limit, Refused
from geartrain.protocol import Command, Packet, Parser, request
from geartrain.protocol.packets import RESPONSE
from geartrain.server import ServerOptions
from geartrain.server.admission import MAX_GUESTS, Admission
from geartrain.testing import RunningServer, ServerProcess, run_server

FAR = ("192.0.2.1", 50000)
ELSEWHERE = ("192.0.2.2", 50000)
HERE = ("127.0.0.1", 50000)
ECHO = request(Command.ECHO_REQ, b"x")


class TestPlaces:
    def test_there_are_so_many_and_leaving_makes_room(self) -> None:
        admission = Admission(ServerOptions(max_connections=2))
        place = admission.enter(FAR)
        admission.enter(ELSEWHERE)

        with pytest.raises(Refused, match="the 2 connections that it may") as refused:
            admission.enter(FAR)
        assert refused.value.limit is Limit.CONNECTIONS
        place.leave()
        place.leave()
        admission.enter(FAR)
        with pytest.raises(Refused):
            admission.enter(FAR)

    def test_each_address_has_its_own(self) -> None:
        admission = Admission(ServerOptions(max_connections_per_address=1))
        place = admission.enter(FAR)

        with pytest.raises(Refused, match="1 connections from this address") as refused:
            admission.enter(FAR)
        assert refused.value.limit is Limit.ADDRESS
        admission.enter(ELSEWHERE)
        place.leave()
        assert not admission.enter(FAR).is_guest

    def test_peers_without_an_address_are_not_one_address(self) -> None:
        admission = Admission(ServerOptions(max_connections_per_address=1))

        assert [admission.enter("").is_guest for _ in range(3)] == [False] * 3

    def test_of_this_machine_a_few_more_are_guests(self) -> None:
        admission = Admission(ServerOptions(max_connections=1))
        admission.enter(FAR)

        guests = [admission.enter(HERE) for _ in range(MAX_GUESTS)]

        assert all(guest.is_guest for guest in guests)
        with pytest.raises(Refused):
            admission.enter(HERE)
        guests[0].leave()
        assert admission.enter(HERE).is_guest

    def test_without_descriptors_all_are_guests_or_turned_away(self) -> None:
        admission = Admission(ServerOptions())

        place = admission.enter(HERE, is_short=True)
        assert place.is_guest
        assert place.is_last
        with pytest.raises(Refused, match="no descriptor left"):
            admission.enter(FAR, is_short=True)


def connect(server: RunningServer | ServerProcess) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def ask(peer: socket.socket, packet: bytes) -> Packet:
    """Return the packet that answers."""
    peer.sendall(packet)
    return next_packet(peer)


def next_packet(peer: socket.socket) -> Packet:
    parser = Parser(RESPONSE)
    while data := peer.recv(1 << 16):
        for packet in parser.receive(data):
            return packet
    raise AssertionError("the server said nothing")


def test_a_guest_may_ask_in_text_and_nothing_else() -> None:
    with run_server(max_connections=1) as server, connect(server) as first:
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])

        with connect(server) as guest:
            assert ask(guest, ECHO)[1][0] == b"TOO_MANY_CONNECTIONS"
        with AdminClient(server.address) as admin:
            assert admin.version()
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])


def test_a_guest_has_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geartrain.server.server.GUEST_TIME", 0.01)
    with run_server(max_connections=1) as server, connect(server) as first:
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])

        with connect(server) as guest, pytest.raises((ConnectionError, AssertionError)):
            next_packet(guest)
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])


def test_who_has_the_last_descriptor_has_to_leave_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or an idle connection of this machine would keep the administrator out."""
    monkeypatch.setattr("geartrain.server.server.GUEST_TIME", 3600.0)
    monkeypatch.setattr("geartrain.server.server.LAST_GUEST_TIME", 0.01)
    enter = Admission.enter
    monkeypatch.setattr(Admission, "enter", lambda self, address, *, is_short: enter(self, address, is_short=True))
    with run_server() as server, connect(server) as guest, pytest.raises((ConnectionError, AssertionError)):
        next_packet(guest)


def test_a_guest_that_is_no_administrator_is_gone_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not close its side of the connection for that: workers that come back in a storm are all guests."""
    monkeypatch.setattr("geartrain.server.connection.LINGER", 3600.0)
    with run_server(max_connections=1) as server, connect(server) as first, ExitStack() as peers:
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])
        for _ in range(MAX_GUESTS):
            assert ask(peers.enter_context(connect(server)), ECHO)[1][0] == b"TOO_MANY_CONNECTIONS"

        while True:
            with connect(server) as later:
                later.sendall(b"version\n")
                if not later.recv(100).startswith(b"\0RES"):
                    break


def test_who_finds_no_room_is_told() -> None:
    with run_server(max_connections=1) as server, ExitStack() as peers:
        for _ in range(1 + MAX_GUESTS):
            peers.enter_context(connect(server))

        with connect(server) as refused:
            command, (code, text) = next_packet(refused)
            assert (command, code) == (Command.ERROR, b"TOO_MANY_CONNECTIONS")
            assert text == b"The server has the 1 connections that it may"


def test_a_text_line_may_be_so_long() -> None:
    with run_server(max_text_line=100) as server, connect(server) as peer:
        peer.sendall(b"x" * 100)

        assert next_packet(peer)[1] == [b"ARGUMENT_TOO_LARGE", b"a text line may have 100 bytes"]


def test_without_descriptors_the_administrator_comes_in() -> None:
    """Those who were there are served on, and when they leave all is as before."""
    with ServerProcess("--file-descriptors", "40") as server, ExitStack() as peers:
        there = []
        for _ in range(40):
            peer = peers.enter_context(connect(server))
            if ask(peer, ECHO)[0] != Command.ECHO_RES:
                peer.close()
                break
            there.append(peer)
        assert 0 < len(there) < 40, "the descriptors are not used up"

        with AdminClient(server.address, timeout=20) as admin:
            assert admin.version()
        assert ask(there[0], ECHO) == (Command.ECHO_RES, [b"x"])
        peers.close()
        with connect(server) as later:
            assert ask(later, ECHO) == (Command.ECHO_RES, [b"x"])
