# SPDX-License-Identifier: MIT
"""Where to listen: the notation, and the sockets that come of it."""

import socket
from pathlib import Path

import pytest

from geartrain.server.endpoints import Endpoint, bind, describe, host_of, is_local


@pytest.mark.parametrize(
    ("text", "endpoint", "written"),
    [
        ("localhost", Endpoint("localhost"), "localhost"),
        ("127.0.0.1:4731", Endpoint("127.0.0.1", 4731), "127.0.0.1:4731"),
        ("a:0", Endpoint("a", 0), "a:0"),
        ("::1", Endpoint("::1"), "::1"),
        ("[::1]", Endpoint("::1"), "::1"),
        ("[::1]:4731", Endpoint("::1", 4731), "[::1]:4731"),
        ("*", Endpoint(), "*"),
        ("*:4731", Endpoint("", 4731), "*:4731"),
        ("unix:/run/x y", Endpoint(path="/run/x y"), "unix:/run/x y"),
    ],
)
def test_an_endpoint_is_read_and_written(text: str, endpoint: Endpoint, written: str) -> None:
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == written


@pytest.mark.parametrize(
    "text", ["", ":1", "a b", "a:b", "a:70000", "a:-1", "[::1", "[]:1", "[::1]x", "unix:", "/run/x"]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as|host:port|behind the colon"):
        Endpoint.parse(text)


@pytest.mark.parametrize(
    ("address", "described", "host", "local"),
    [
        (("127.0.0.1", 1), "127.0.0.1:1", "127.0.0.1", True),
        (("10.0.0.1", 1), "10.0.0.1:1", "10.0.0.1", False),
        (("::1", 1, 0, 0), "[::1]:1", "::1", True),
        (("fe80::1234:5678%eth0", 1, 0, 2), "[fe80::1234:5678%eth0]:1", "fe80::1234:5678%eth0", False),
        ("", "unix", "unix", True),
        ("/run/client", "unix:/run/client", "unix", True),
    ],
)
def test_a_peer_is_shown_fully(address: object, described: str, host: str, local: bool) -> None:
    assert (describe(address), host_of(address), is_local(address)) == (described, host, local)


def test_ipv6_sockets_are_for_ipv6_only() -> None:
    sockets = bind(Endpoint(), 0)

    ports = {bound.getsockname()[1] for bound in sockets}
    families = {bound.family for bound in sockets}
    for bound in sockets:
        if bound.family == socket.AF_INET6:
            assert bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        bound.close()
    assert len(ports) == 1
    assert socket.AF_INET in families


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        bind(Endpoint("192.0.2.1"), 0)


def test_addresses_that_are_not_there_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)

    sockets = bind(Endpoint("both"), 0)

    assert [bound.getsockname()[0] for bound in sockets] == ["127.0.0.1"]
    sockets[0].close()


def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    bind(Endpoint(path=str(path)), 0)[0].close()


def test_a_socket_in_use_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as used:
        used.bind(str(path))
        used.listen()

        with pytest.raises(OSError, match="Address already in use"):
            bind(Endpoint(path=str(path)), 0)


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")

    with pytest.raises(OSError, match="Address already in use"):
        bind(Endpoint(path=str(path)), 0)
    assert path.read_text() == "precious"
