# SPDX-License-Identifier: MIT
"""What is set on a socket after it was accepted."""

import asyncio
import socket

import pytest

from geartrain.protocol import Command, request
from geartrain.server import connection
from geartrain.server.tuning import acknowledger
from geartrain.testing import run_server


class SocketTransport(asyncio.BaseTransport):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="the system has no such option")
def test_a_peer_on_tcp_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as peer:
        accepted, _ = listener.accept()
        with accepted:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            acknowledge = acknowledger(SocketTransport(accepted))
            assert acknowledge is not None
            acknowledge()

            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
        peer.close()
        acknowledge()  # too late, and no harm


def test_a_peer_on_a_unix_socket_need_not_be_told() -> None:
    accepted, peer = socket.socketpair()
    with accepted, peer:
        assert acknowledger(SocketTransport(accepted)) is None


def test_what_has_no_socket_is_left_alone() -> None:
    assert acknowledger(asyncio.BaseTransport()) is None


def test_only_large_amounts_are_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    acknowledged = 0

    def acknowledge() -> None:
        nonlocal acknowledged
        acknowledged += 1

    monkeypatch.setattr(connection, "acknowledger", lambda transport: acknowledge)
    with run_server() as server, socket.create_connection((server.host, server.port)) as peer:
        peer.sendall(request(Command.ECHO_REQ, b"small"))
        assert peer.recv(100)
        assert acknowledged == 0

        peer.sendall(request(Command.ECHO_REQ, bytes(10 * connection.BULK)))
        assert peer.recv(100)
        assert acknowledged > 0
