# SPDX-License-Identifier: MIT
"""The limit of connections, and connections beyond it."""

import errno
import socket
from contextlib import ExitStack

import pytest

from geartrain import AdminClient
from geartrain.core.limits import Limit, Refused
from geartrain.protocol import Command, Packet, request
from geartrain.protocol.packets import RESPONSE
from geartrain.server import Server
from geartrain.server.listen.connection_limit import MAX_ADMIN_ONLY, ConnectionLimiter, ConnectionLimitOptions
from geartrain.testing import RunningServer, ServerProcess, local_options, run_server, serve_in_thread
from tests.packets import Packets

FAR = ("192.0.2.1", 50000)
ELSEWHERE = ("192.0.2.2", 50000)
HERE = ("127.0.0.1", 50000)
ECHO = request(Command.ECHO_REQ, b"x")


def limiter(**limits: int) -> ConnectionLimiter:
    return ConnectionLimiter(ConnectionLimitOptions(**limits))


class TestSlots:
    def test_are_limited_and_a_disconnection_frees_one(self) -> None:
        limited = limiter(max_connections=2)
        slot = limited.enter(FAR)
        limited.enter(ELSEWHERE)

        with pytest.raises(Refused, match=r"Too many connections \(limit 2\)") as refused:
            limited.enter(FAR)
        assert refused.value.limit is Limit.CONNECTIONS
        slot.leave()
        slot.leave()
        limited.enter(FAR)
        with pytest.raises(Refused):
            limited.enter(FAR)

    def test_are_counted_for_each_address(self) -> None:
        limited = limiter(max_connections_per_address=1)
        slot = limited.enter(FAR)

        with pytest.raises(Refused, match=r"Too many connections from this address \(limit 1\)") as refused:
            limited.enter(FAR)
        assert refused.value.limit is Limit.ADDRESS
        limited.enter(ELSEWHERE)
        slot.leave()
        assert not limited.enter(FAR).is_admin_only

    def test_of_peers_without_an_address_are_not_those_of_one_address(self) -> None:
        limited = limiter(max_connections_per_address=1)

        assert [limited.enter("").is_admin_only for _ in range(3)] == [False] * 3

    def test_beyond_the_limit_are_a_few_for_local_peers(self) -> None:
        limited = limiter(max_connections=1)
        limited.enter(FAR)

        slots = [limited.enter(HERE) for _ in range(MAX_ADMIN_ONLY)]

        assert all(slot.is_admin_only for slot in slots)
        with pytest.raises(Refused):
            limited.enter(HERE)
        slots[0].leave()
        assert limited.enter(HERE).is_admin_only

    def test_with_the_last_descriptor_are_beyond_the_limit(self) -> None:
        limited = limiter()

        slot = limited.enter(HERE, is_last=True)
        assert slot.is_admin_only
        assert slot.is_last
        with pytest.raises(Refused, match="no file descriptor left"):
            limited.enter(FAR, is_last=True)


def connect(server: RunningServer | ServerProcess) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), 20)


def ask(peer: socket.socket, packet: bytes) -> Packet:
    """Return the answer to a packet."""
    peer.sendall(packet)
    return next_packet(peer)


def next_packet(peer: socket.socket) -> Packet:
    parser = Packets(RESPONSE)
    while data := peer.recv(1 << 16):
        for packet in parser.receive(data):
            return packet
    raise AssertionError("the server said nothing")


def test_beyond_the_limit_only_text_commands_are_accepted() -> None:
    with run_server(max_connections=1) as server, connect(server) as first:
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])

        with connect(server) as over:
            assert ask(over, ECHO)[1][0] == b"TOO_MANY_CONNECTIONS"
        with AdminClient(server.address) as admin:
            assert admin.version()
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])


def test_a_connection_beyond_the_limit_has_a_short_timeout() -> None:
    with run_server(max_connections=1, admin_timeout=0.01) as server, connect(server) as first:
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])

        with connect(server) as over, pytest.raises((ConnectionError, AssertionError)):
            next_packet(over)
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])


class Exhausted(socket.socket):
    """A listening socket in a process whose descriptors are used up, except the reserve."""

    def __init__(self) -> None:
        super().__init__()
        self.bind(("127.0.0.1", 0))
        self.listen()
        self._fails = False

    def accept(self) -> tuple[socket.socket, object]:
        self._fails = not self._fails
        if self._fails:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_the_connection_with_the_last_descriptor_has_an_even_shorter_timeout() -> None:
    """Otherwise an idle local connection would keep the administrator out."""
    options = local_options(admin_timeout=3600.0, last_admin_timeout=0.01)
    with (
        serve_in_thread(lambda: Server(options, sockets=[Exhausted()])) as server,
        connect(server) as over,
        pytest.raises((ConnectionError, AssertionError)),
    ):
        next_packet(over)


def test_a_connection_beyond_the_limit_that_sends_packets_is_closed_soon() -> None:
    """It need not close its side: all workers that reconnect after an outage may be beyond the limit."""
    options = {"max_connections": 1, "linger_timeout": 3600.0}
    with run_server(**options) as server, connect(server) as first, ExitStack() as peers:
        assert ask(first, ECHO) == (Command.ECHO_RES, [b"x"])
        for _ in range(MAX_ADMIN_ONLY):
            assert ask(peers.enter_context(connect(server)), ECHO)[1][0] == b"TOO_MANY_CONNECTIONS"

        while True:
            with connect(server) as later:
                later.sendall(b"version\n")
                if not later.recv(100).startswith(b"\0RES"):
                    break


def test_a_rejected_peer_gets_an_error() -> None:
    with run_server(max_connections=1) as server, ExitStack() as peers:
        for _ in range(1 + MAX_ADMIN_ONLY):
            peers.enter_context(connect(server))

        with connect(server) as refused:
            command, (code, text) = next_packet(refused)
            assert (command, code) == (Command.ERROR, b"TOO_MANY_CONNECTIONS")
            assert text == b"Too many connections (limit 1)"


def test_a_text_line_has_a_maximum_length() -> None:
    with run_server(max_text_line=100) as server, connect(server) as peer:
        peer.sendall(b"x" * 100)

        assert peer.makefile("rb").read() == b"ERR ARGUMENT_TOO_LARGE a+text+line+may+have+100+bytes\r\n"


def test_without_descriptors_an_administrator_can_connect() -> None:
    """Existing connections are still served, and others are accepted when they end."""
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
