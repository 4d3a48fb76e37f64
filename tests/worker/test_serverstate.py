# SPDX-License-Identifier: MIT
"""The state of one server: its back-off, and one log line for each outage."""

import logging

import pytest

from geartrain.transport import Backoff, ServerAddress
from geartrain.worker.serverstate import ServerState

ADDRESS = ServerAddress("127.0.0.1", 4730)


def test_an_outage_is_one_line_however_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.worker")
    server = ServerState(ADDRESS, Backoff())

    server.works()
    server.works()
    for moment in range(5):
        server.failed("gone", float(moment))
    server.works()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "127.0.0.1:4730: gone; trying again until it is back"),
        ("INFO", "127.0.0.1:4730 answers"),
    ]


def test_each_failure_makes_the_next_attempt_later_until_one_succeeds() -> None:
    server = ServerState(ADDRESS, Backoff())
    delays = []
    for _ in range(5):
        server.failed("gone", 100.0)
        delays.append(server.due - 100.0)

    assert delays == sorted(delays)
    assert delays[0] > 0
    server.works()
    server.failed("gone", 100.0)
    assert server.due - 100.0 < delays[1]
