# SPDX-License-Identifier: MIT
"""Options of accepted sockets."""

import asyncio
import socket
import time

import pytest

from geartrain.core import JobServer, JobServerOptions
from geartrain.protocol import Command, request
from geartrain.reactor.connection import Connection, ConnectionSettings, RemoteEnd
from geartrain.reactor.flusher import Flusher
from geartrain.server.listen.socket_options import acknowledger
from geartrain.server.local import LocalTransport


class SocketTransport(asyncio.BaseTransport):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="the system has no such option")
def test_a_peer_on_tcp_gets_an_acknowledgement_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as peer:
        accepted, _ = listener.accept()
        with accepted:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            acknowledge = acknowledger(SocketTransport(accepted))
            assert acknowledge is not None
            acknowledge()

            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
        peer.close()
        acknowledge()  # too late, which is harmless


def test_a_peer_on_a_unix_socket_needs_no_acknowledgement() -> None:
    accepted, peer = socket.socketpair()
    with accepted, peer:
        assert acknowledger(SocketTransport(accepted)) is None


def test_a_transport_without_a_socket_is_left_alone() -> None:
    assert acknowledger(asyncio.BaseTransport()) is None


def test_only_large_data_without_a_reply_is_acknowledged() -> None:
    """A reply carries the acknowledgement of the data that it answers, at no cost."""
    large = request(Command.ECHO_REQ, bytes(2048))
    acknowledged: list[None] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        flusher = Flusher(JobServer(JobServerOptions(), time), loop, 1 << 20, lambda: None)
        connection = Connection(
            flusher,
            RemoteEnd("test", "test", 0, is_local=True),
            ConnectionSettings(bulk=1024),
            certificate_names=lambda _: (),
            acknowledger=lambda _: lambda: acknowledged.append(None),
            leave=lambda: None,
        )
        connection.connection_made(LocalTransport(connection, ""))
        for answered in request(Command.ECHO_REQ, b"small"), large:
            connection.data_received(answered)
            assert acknowledged == []
            flusher.flush()

        connection.data_received(large[:-1])
        assert acknowledged == [None]
        flusher.stop()

    asyncio.run(scenario())
