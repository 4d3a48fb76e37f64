# SPDX-License-Identifier: MIT
"""The hold on one server: what comes of connecting."""

import socket
from concurrent.futures import Future

from geartrain.errors import NoServerAvailable
from geartrain.transport import ServerAddress
from geartrain.worker.contact import Contact
from geartrain.worker.options import WorkerOptions
from geartrain.worker.sync.link import Link, Outcome
from tests.job_servers import free_port


def link(port: int = 4730) -> Link:
    return Link(Contact(ServerAddress("127.0.0.1", port)), WorkerOptions(concurrency=1), None)


def test_connecting_brings_a_socket() -> None:
    outcome: Future[Outcome] = Future()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link(listener.getsockname()[1]).connect(lambda _, found: outcome.set_result(found))

        sock = outcome.result(30)
    assert isinstance(sock, socket.socket)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    sock.close()


def test_connecting_brings_the_reason_why_there_is_none() -> None:
    outcome: Future[Outcome] = Future()

    link(free_port()).connect(lambda _, found: outcome.set_result(found))

    assert isinstance(outcome.result(30), NoServerAvailable)
