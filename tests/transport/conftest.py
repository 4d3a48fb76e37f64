# SPDX-License-Identifier: MIT
"""Sockets to connect to, with and without TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from geartrain.transport import ServerAddress

__all__ = ["address_of", "authority", "listening", "refused_port", "server"]


@contextlib.contextmanager
def listening(
    family: socket.AddressFamily = socket.AF_INET, where: tuple[str, int] | str = ("127.0.0.1", 0)
) -> Iterator[socket.socket]:
    with socket.socket(family) as sock:
        sock.bind(where)
        sock.listen()
        yield sock


def address_of(listener: socket.socket, host: str = "127.0.0.1", *, tls: bool = False) -> ServerAddress:
    return ServerAddress(host, listener.getsockname()[1], tls=tls)


def refused_port() -> int:
    """Return a port without a listener."""
    with listening() as sock:
        port: int = sock.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[socket.socket]:
    """A TLS server that serves one client after the other, and echoes a byte to each."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return  # the test is over
            with contextlib.suppress(OSError), accepted, context.wrap_socket(accepted, server_side=True) as sock:
                sock.send(sock.recv(1))

    with listening() as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
