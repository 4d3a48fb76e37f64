# SPDX-License-Identifier: MIT
"""Sockets of endpoints: bound, left out, replaced and left alone."""

import socket
from pathlib import Path

import pytest

from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.listen.sockets import bind


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


def test_addresses_that_the_machine_does_not_have_are_left_out() -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]

    sockets = bind(Endpoint("both"), 0, resolve=lambda *arguments, **options: found)

    assert [bound.getsockname()[0] for bound in sockets] == ["127.0.0.1"]
    sockets[0].close()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
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
