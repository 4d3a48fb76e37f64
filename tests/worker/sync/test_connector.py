# SPDX-License-Identifier: MIT
"""The outcomes of connecting to one server."""

import socket
from concurrent.futures import Future

from geartrain.errors import NoServerAvailable
from geartrain.transport import Backoff, ServerAddress
from geartrain.worker.options import WorkerOptions
from geartrain.worker.serverstate import ServerState
from geartrain.worker.sync.connector import Connector, Outcome
from tests.job_servers import free_port


def connector(port: int = 4730) -> Connector:
    return Connector(ServerState(ServerAddress("127.0.0.1", port), Backoff()), WorkerOptions(concurrency=1), None)


def test_connecting_returns_a_socket() -> None:
    outcome: Future[Outcome] = Future()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connector(listener.getsockname()[1]).connect(lambda _, found: outcome.set_result(found))

        sock = outcome.result(30)
    assert isinstance(sock, socket.socket)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    sock.close()


def test_connecting_returns_the_reason_of_a_failure() -> None:
    outcome: Future[Outcome] = Future()

    connector(free_port()).connect(lambda _, found: outcome.set_result(found))

    assert isinstance(outcome.result(30), NoServerAvailable)
