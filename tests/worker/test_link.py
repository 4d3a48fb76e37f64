# SPDX-License-Identifier: MIT
"""The hold on one server: patience, and what the log says of it."""

import logging
import socket
from concurrent.futures import Future

import pytest

from geartrain.errors import NoServerAvailable
from geartrain.transport import ServerAddress
from geartrain.worker.link import Link, Outcome
from geartrain.worker.options import WorkerOptions
from tests.job_servers import free_port


def link(port: int = 4730) -> Link:
    return Link(ServerAddress("127.0.0.1", port), WorkerOptions(), None)


def test_an_outage_is_one_line_however_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.worker")
    server = link()

    server.works()
    server.works()
    for moment in range(5):
        server.failed("gone", float(moment))
    server.works()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "127.0.0.1:4730 answers"),
        ("WARNING", "127.0.0.1:4730: gone; trying again until it is back"),
        ("INFO", "127.0.0.1:4730 answers"),
    ]


def test_each_failure_makes_the_next_attempt_later_until_one_succeeds() -> None:
    server = link()
    delays = []
    for _ in range(5):
        server.failed("gone", 100.0)
        delays.append(server.due - 100.0)

    assert delays == sorted(delays)
    assert delays[0] > 0
    server.works()
    server.failed("gone", 100.0)
    assert server.due - 100.0 < delays[1]


def test_connecting_brings_a_socket() -> None:
    outcome: Future[Outcome] = Future()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link(listener.getsockname()[1]).connect(outcome.set_result)

        sock = outcome.result(30)
    assert isinstance(sock, socket.socket)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    sock.close()


def test_connecting_brings_the_reason_why_there_is_none() -> None:
    outcome: Future[Outcome] = Future()

    link(free_port()).connect(outcome.set_result)

    assert isinstance(outcome.result(30), NoServerAvailable)
