# SPDX-License-Identifier: MIT
"""Connecting: over TCP, TLS and the file system, and the reasons why not."""

import socket
import ssl
from pathlib import Path

import pytest
import trustme

from geartrain.errors import NoServerAvailable
from geartrain.testing import run_server
from geartrain.transport import TLS, ServerAddress, client_context, connect
from tests.transport.conftest import address_of, listening, refused_port


def test_a_tcp_socket_sends_at_once_and_notices_dead_paths() -> None:
    with listening() as listener, connect(address_of(listener), keepalive=60.0) as sock:
        assert sock.getpeername() == listener.getsockname()
        assert sock.gettimeout() is None
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_keepalive_can_be_left_to_the_system() -> None:
    with listening() as listener, connect(address_of(listener), keepalive=None) as sock:
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as listener:
        port = listener.getsockname()[1]
        found = [("127.0.0.1", refused_port()), ("127.0.0.1", port)]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", to) for to in found]
        )

        with connect(ServerAddress("several.example", port)) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)


def test_a_socket_in_the_file_system(tmp_path: Path) -> None:
    path = str(tmp_path / "gearmand.sock")
    with listening(socket.AF_UNIX, path), connect(ServerAddress.parse(f"unix:{path}")) as sock:
        assert sock.getpeername() == path


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (ServerAddress("127.0.0.1", refused_port()), "Connection refused"),
        (ServerAddress("no-such-host.invalid", 4730), "no-such-host.invalid:4730: "),
        (ServerAddress("x" * 300, 4730), "x"),
        (ServerAddress("", 0, path="/nowhere/x.sock"), "unix:/nowhere/x.sock: No such file"),
    ],
)
def test_a_server_that_cannot_be_reached_says_why(address: ServerAddress, reason: str) -> None:
    with pytest.raises(NoServerAvailable, match=reason):
        connect(address)


def test_a_name_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])

    with pytest.raises(NoServerAvailable, match="has no address"):
        connect(ServerAddress("empty.example"))


def test_a_server_that_never_shakes_hands_costs_one_timeout() -> None:
    with listening() as listener, pytest.raises(NoServerAvailable, match="no answer in time"):
        connect(address_of(listener, tls=True), timeout=0.05)


class TestTLS:
    def test_checks_the_server_and_shows_our_certificate(
        self, authority: trustme.CA, server: socket.socket, tmp_path: Path
    ) -> None:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
        tls = TLS(ca=tmp_path / "ca.pem", certificate=tmp_path / "client.pem")

        with connect(address_of(server, "localhost"), tls=client_context(tls)) as sock:
            sock.send(b"x")
            assert sock.recv(1) == b"x"

    def test_a_server_without_tls_is_told_from_one_that_does_not_run(self) -> None:
        with run_server() as running, pytest.raises(NoServerAvailable) as caught:
            connect(ServerAddress.parse(f"tls://{running.address}"))

        assert (
            str(caught.value)
            == f"tls://{running.address}: it answers without TLS; leave out tls:// or the option for TLS"
        )

    def test_refuses_a_server_without_voucher(self, server: socket.socket) -> None:
        with pytest.raises(NoServerAvailable, match="certificate verify failed"):
            connect(address_of(server, "localhost", tls=True))

    def test_rejects_another_servers_certificate_unless_the_name_is_not_checked(
        self, authority: trustme.CA, server: socket.socket, tmp_path: Path
    ) -> None:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")

        with pytest.raises(NoServerAvailable, match="certificate verify failed"):
            connect(address_of(server), tls=TLS(ca=tmp_path / "ca.pem").context())
        connect(address_of(server), tls=TLS(ca=tmp_path / "ca.pem", check_name=False).context()).close()

    def test_a_context_is_taken_as_it_is(self) -> None:
        context = ssl.create_default_context()

        assert client_context(context) is context
        assert client_context(None) is None
