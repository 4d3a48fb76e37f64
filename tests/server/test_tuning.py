# SPDX-License-Identifier: MIT
"""What is set on a socket after it was accepted."""

import asyncio
import socket
import threading

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


def test_only_what_is_large_and_has_no_reply_yet_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply acknowledges what it answers, at no cost."""
    acknowledged = threading.Event()
    monkeypatch.setattr(connection, "acknowledger", lambda transport: acknowledged.set)
    monkeypatch.setattr(connection, "BULK", 1024)
    large = request(Command.ECHO_REQ, bytes(2048))
    with run_server() as server, socket.create_connection((server.host, server.port)) as peer:
        for answered in request(Command.ECHO_REQ, b"small"), large:
            peer.sendall(answered)
            assert peer.recv(len(answered), socket.MSG_WAITALL)
            assert not acknowledged.is_set()

        peer.sendall(large[:-1])
        assert acknowledged.wait(20)
