# SPDX-License-Identifier: MIT
"""The rate-limited log of errors that peers cause."""

import logging

import pytest

from geartrain.protocol import Command
from geartrain.testing.wire import Wire


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    caplog.clear()
    return lines


def test_the_first_error_is_logged_and_the_others_are_counted(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    peer = wire.connect("10.0.0.7")

    for _ in range(1000):
        peer.send(Command.WORK_FAIL, b"H:1")
    assert errors(caplog) == [
        "GEARMAN_JOB_NOT_FOUND:Job given in work result not found; sent to 10.0.0.7 (connection 0)",
    ]
    wire.advance(10)

    assert errors(caplog) == ["GEARMAN_JOB_NOT_FOUND to 10.0.0.7, 999 times more within 10 seconds"]
    assert len(peer.packets()) == 1000


def test_connections_of_one_host_share_a_count(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        wire.connect().send_bytes(b"\0REQ\0\0\0" + bytes([200 + number]) + bytes(4))

    assert len(errors(caplog)) == 1


def test_other_hosts_and_other_errors_are_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    for host in ("10.0.0.7", "10.0.0.8"):
        peer = wire.connect(host)
        peer.send(Command.WORK_FAIL, b"H:1")
        peer.send(Command.OPTION_REQ, b"nonsense")

    assert len(errors(caplog)) == 4


def test_a_new_period_begins_with_a_line_again(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    peer = wire.connect()
    for _ in range(3):
        peer.send(Command.WORK_FAIL, b"H:1")
        wire.advance(10)

    assert len(errors(caplog)) == 3
    assert wire.advance(0) is None


def test_a_thousand_hosts_share_a_count(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1000):
        wire.connect(f"fd00::{number:x}").send(Command.WORK_FAIL, b"H:1")

    wire.advance(10)

    lines = errors(caplog)
    assert len(lines) == 101
    assert lines[-1] == "900 errors more, to many hosts, within 10 seconds"


def test_tick_returns_the_time_until_the_next_count(wire: Wire) -> None:
    peer = wire.connect()
    assert wire.advance(0) is None
    peer.send(Command.WORK_FAIL, b"H:1")

    assert wire.advance(4) == 6
    worker = wire.connect()
    worker.send(Command.CAN_DO_TIMEOUT, b"f", b"2000")
    peer.submit(b"f")
    worker.send(Command.GRAB_JOB)
    assert wire.advance(0) == 2


def test_lines_have_fields(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    peer = wire.connect("10.0.0.7")
    for _ in range(3):
        peer.send(Command.WORK_FAIL, b"H:1")

    wire.advance(10)

    text = "Job given in work result not found"
    assert [getattr(record, "fields", None) for record in caplog.records] == [
        {"event": "error", "code": "JOB_NOT_FOUND", "error": text, "peer": "10.0.0.7 (connection 0)"},
        {"event": "errors", "code": "JOB_NOT_FOUND", "address": "10.0.0.7", "count": 2},
    ]


def test_a_full_queue_is_named(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client = wire.connect("10.0.0.7")
    client.say("create function re\u202esize\nmaxqueue re\u202esize 1")
    name = "re\u202esize".encode()
    client.submit(name)

    assert client.ask(Command.SUBMIT_JOB, name, b"", b"") == (Command.ERROR, b"QUEUE_ERROR", b"Job queue is full")
    assert errors(caplog) == [
        "GEARMAN_QUEUE_ERROR:Job queue is full: function re\\xe2\\x80\\xaesize; sent to 10.0.0.7 (connection 0)"
    ]


def test_a_request_of_a_browser_is_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    wire.connect("10.0.0.7").send_bytes(b"GET / HTTP/1.1\r\n")

    assert errors(caplog) == ["GEARMAN_NOT_GEARMAN:The connection sends HTTP; sent to 10.0.0.7 (connection 0)"]
