# SPDX-License-Identifier: MIT
"""The expiry of unused functions; used ones are kept."""

import logging

import pytest

from geartrain.core import JobServerOptions
from geartrain.protocol import Command
from geartrain.testing.wire import Wire

AFTER = 1000.0


@pytest.fixture
def wire() -> Wire:
    return Wire(JobServerOptions(function_expiry=AFTER))


def let_pass(wire: Wire, seconds: float) -> None:
    for _ in range(10):
        wire.advance(seconds / 10)


def functions(wire: Wire) -> list[str]:
    return [line.split("\t")[0] for line in wire.connect().say("status").splitlines()[:-1]]


def test_an_unused_function_is_removed(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    client = wire.connect()
    client.submit(b"f\n")
    client.close()

    let_pass(wire, AFTER * 0.9)
    assert functions(wire) == ["f\\x0a"]
    let_pass(wire, AFTER * 0.6)

    assert functions(wire) == []
    assert "forgot the unused function f\\x0a" in caplog.text


def test_a_function_with_workers_jobs_limits_or_schedules_is_kept(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"worker")
    client.submit(b"job")
    client.say("create function limit\nmaxqueue limit 0 5")
    client.send(Command.SUBMIT_JOB_SCHED, b"schedule", b"", b"0", b"0", b"1", b"1", b"*", b"")
    client.say("create function nothing")

    let_pass(wire, AFTER * 3)

    assert functions(wire) == ["worker", "job", "limit", "schedule"]


def test_a_function_without_its_limit_is_not_kept(wire: Wire) -> None:
    client = wire.connect()
    for line in ("create function f", "maxqueue f 5", "maxqueue f 0"):
        assert client.say(line) == "OK\r\n"

    let_pass(wire, AFTER * 3)

    assert functions(wire) == []


def test_a_function_that_is_used_now_and_then_is_kept(wire: Wire) -> None:
    for _ in range(10):
        client, worker = wire.connect(), wire.connect()
        client.submit(b"f")
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.GRAB_JOB)
        for peer in (worker, client):
            peer.close()
        let_pass(wire, AFTER * 0.7)

    assert functions(wire) == ["f"]


def test_tick_returns_the_time_until_the_next_check_while_there_are_functions(wire: Wire) -> None:
    assert wire.advance(0) is None
    wire.connect().say("create function f")

    assert wire.advance(0) == AFTER / 4


def test_it_is_off_by_default() -> None:
    wire = Wire()
    wire.connect().say("create function f")

    assert wire.advance(1_000_000) is None
    assert functions(wire) == ["f"]


def test_a_function_whose_name_is_not_utf_8_is_removed_too(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    client = wire.connect()
    client.submit(b"\xff")
    client.close()

    let_pass(wire, AFTER * 2)

    assert "forgot the unused function \ufffd" in caplog.messages
