# SPDX-License-Identifier: MIT
"""The fault proxy, between sockets that know nothing of Gearman."""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geartrain.testing import Direction, FaultProxy
from tests.job_servers import free_port

PATIENCE = 60.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


@pytest.fixture
def proxy(listener: socket.socket) -> Iterator[FaultProxy]:
    with FaultProxy(address_of(listener)) as proxy:
        yield proxy


@pytest.fixture
def ends(proxy: FaultProxy, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection's two ends: the client's and the server's."""
    with connected(proxy) as client:
        server, _ = listener.accept()
        with server:
            server.settimeout(PATIENCE)
            yield client, server


def address_of(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection((proxy.host, proxy.port), PATIENCE)


def read(sock: socket.socket, size: int) -> bytes:
    """Return so many bytes, or fewer if there are no more."""
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def is_quiet(sock: socket.socket) -> bool:
    return not select.select([sock], [], [], 0)[0]


Ends = tuple[socket.socket, socket.socket]


class TestWithoutFaults:
    def test_bytes_pass_both_ways(self, proxy: FaultProxy, ends: Ends) -> None:
        client, server = ends
        huge = bytes(range(256)) * 8192

        client.sendall(b"question")
        assert read(server, 8) == b"question"
        server.sendall(b"answer")
        assert read(client, 6) == b"answer"
        with contextlib.ExitStack() as sending:
            sending.callback(client.close)
            client.settimeout(0)
            while client.send(huge) == len(huge):
                pass
        assert read(server, len(huge)) == huge
        assert proxy.accepted == proxy.open == 1

    def test_the_end_of_one_side_reaches_the_other(self, proxy: FaultProxy, ends: Ends) -> None:
        client, server = ends

        client.shutdown(socket.SHUT_WR)
        assert read(server, 1) == b""
        server.sendall(b"late")
        server.close()
        assert read(client, 5) == b"late"
        client.close()
        proxy.wait_until_unused()

    def test_a_target_that_is_not_there_closes_connections(self) -> None:
        with FaultProxy(f"127.0.0.1:{free_port()}") as proxy, connected(proxy) as client:
            assert read(client, 1) == b""
            proxy.wait_until_unused()

    def test_the_target_can_be_changed(self, proxy: FaultProxy, ends: Ends) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            proxy.target = address_of(other)
            with connected(proxy) as client:
                accepted, _ = other.accept()
                with accepted:
                    accepted.sendall(b"other")
                assert read(client, 5) == b"other"

    def test_all_sockets_are_closed(self, listener: socket.socket) -> None:
        def use() -> None:
            with FaultProxy(address_of(listener)) as proxy, connected(proxy):
                proxy.blackhole()
                proxy.accept()

        use()
        before = len(list(Path("/dev/fd").iterdir()))
        use()
        assert len(list(Path("/dev/fd").iterdir())) == before


class TestStall:
    @pytest.mark.parametrize("direction", [Direction.SERVER, Direction.CLIENT, Direction.BOTH])
    def test_holds_bytes_until_it_is_over(self, proxy: FaultProxy, ends: Ends, direction: Direction) -> None:
        client, server = ends
        proxy.stall(direction)

        client.sendall(b"up")
        server.sendall(b"down")
        proxy.wait_for_bytes(6, Direction.BOTH)
        for sock, way, data in ((server, Direction.SERVER, b"up"), (client, Direction.CLIENT, b"down")):
            if way not in direction:
                assert read(sock, len(data)) == data
            else:
                assert is_quiet(sock)
        proxy.resume()

        for sock, way, data in ((server, Direction.SERVER, b"up"), (client, Direction.CLIENT, b"down")):
            if way in direction:
                assert read(sock, len(data)) == data

    def test_holds_for_connections_to_come_too(self, proxy: FaultProxy) -> None:
        proxy.stall()

        with connected(proxy) as client:
            client.sendall(b"x")
            proxy.wait_for_bytes(1)
            assert is_quiet(client)

    def test_slows_down_who_sends_without_end(self, proxy: FaultProxy, ends: Ends) -> None:
        client, _ = ends
        proxy.stall()
        client.settimeout(0.2)

        with pytest.raises(TimeoutError):
            client.sendall(bytes(64 << 20))


class TestCut:
    @pytest.mark.parametrize("reset", [False, True])
    def test_ends_both_sides(self, proxy: FaultProxy, ends: Ends, reset: bool) -> None:
        proxy.cut(reset=reset)

        for sock in ends:
            if reset:
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
            else:
                assert sock.recv(1) == b""
            sock.close()
        proxy.wait_until_unused()

    @pytest.mark.parametrize("reset", [False, True])
    @pytest.mark.parametrize("after", [0, 1, 7])
    def test_comes_in_the_middle_of_things(self, proxy: FaultProxy, ends: Ends, after: int, reset: bool) -> None:
        client, server = ends
        proxy.cut(after=after, reset=reset)

        client.sendall(b"question")
        assert read(server, 8) == b"question"
        server.sendall(b"an answer")

        assert read(client, after) == b"an answer"[:after]
        if reset:
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        else:
            assert client.recv(1) == b""

    def test_is_planned_for_one_connection(self, proxy: FaultProxy, ends: Ends, listener: socket.socket) -> None:
        client, server = ends
        proxy.cut(after=3, direction=Direction.SERVER)
        client.sendall(b"12345")
        assert read(server, 5) == b"123"

        with connected(proxy) as again:
            accepted, _ = listener.accept()
            with accepted:
                again.sendall(b"12345")
                assert read(accepted, 5) == b"12345"

    def test_by_a_peer_is_handed_on(self, proxy: FaultProxy, ends: Ends) -> None:
        client, server = ends
        client.sendall(b"x")
        proxy.wait_for_bytes(1)
        select.select([server], [], [], PATIENCE)
        server.close()  # with a byte unread, which resets

        with pytest.raises(ConnectionResetError):
            read(client, 1)


class TestPace:
    def test_pieces_are_all_there_in_the_end(self, proxy: FaultProxy, ends: Ends) -> None:
        client, server = ends
        proxy.throttle(3, Direction.SERVER)
        proxy.delay(0.001)

        client.sendall(b"0123456789")

        assert read(server, 10) == b"0123456789"

    def test_restoring_ends_all_faults(self, proxy: FaultProxy, ends: Ends) -> None:
        client, server = ends
        proxy.throttle()
        proxy.delay(1000.0)
        proxy.cut(after=0, direction=Direction.BOTH)
        proxy.stall()
        proxy.refuse()

        proxy.restore()
        client.sendall(b"0123456789")

        assert read(server, 10) == b"0123456789"
        connected(proxy).close()


class TestConnecting:
    def test_can_be_refused(self, proxy: FaultProxy, ends: Ends) -> None:
        client, server = ends
        proxy.refuse()

        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                connected(proxy)
        client.sendall(b"still")
        assert read(server, 5) == b"still"
        proxy.accept()
        connected(proxy).close()
        proxy.wait_for_connections(2)

    def test_can_be_left_unanswered(self, proxy: FaultProxy) -> None:
        proxy.blackhole()

        with pytest.raises(TimeoutError):
            socket.create_connection((proxy.host, proxy.port), 0.1)
        proxy.accept()
        connected(proxy).close()

    def test_at_another_address_of_the_same_port(self, proxy: FaultProxy, listener: socket.socket) -> None:
        with FaultProxy(address_of(listener), host="127.0.0.2", port=proxy.port) as other, connected(other) as client:
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"here")
            assert read(client, 4) == b"here"
            assert other.address == f"127.0.0.2:{proxy.port}"


@pytest.mark.parametrize(
    ("wait", "what"),
    [
        (lambda proxy: proxy.wait_for_connections(2, timeout=0.01), "2 connections"),
        (lambda proxy: proxy.wait_for_bytes(3, timeout=0.01), "3 bytes for the SERVER"),
    ],
)
def test_a_wait_that_times_out_says_for_what(proxy: FaultProxy, wait: Callable[[FaultProxy], None], what: str) -> None:
    with pytest.raises(AssertionError, match=rf"timed out waiting for {what}: <FaultProxy 127.* 0 accepted, 0 open>"):
        wait(proxy)
