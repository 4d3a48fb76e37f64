# SPDX-License-Identifier: MIT
"""Stalled queues: detection, reasons and log lines."""

import logging

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.levels import NOTICE
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

AFTER = 10.0
BUSY_AFTER = 600.0
OPTIONS = JobServerOptions(stall_after=AFTER, stall_busy_after=BUSY_AFTER)


@pytest.fixture
def wire() -> Wire:
    return Wire(OPTIONS)


def worker_of(wire: Wire, *, asleep: bool = True) -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    if asleep:
        worker.send(Command.PRE_SLEEP)
    return worker


def let_pass(wire: Wire, seconds: float) -> None:
    """Let time pass as the shell does: call the server each time that something is due."""
    left = seconds
    while left > 0:
        wait = wire.advance(0)
        step = left if wait is None else min(max(wait, 0.001), left)
        wire.advance(step)
        left -= step


def stalls(wire: Wire) -> list[str]:
    return wire.connect().say("show stalls").splitlines()[:-1]


def test_a_worker_that_does_not_answer(wire: Wire) -> None:
    worker_of(wire)
    wire.connect().submit(b"f")

    let_pass(wire, AFTER * 0.9)
    assert stalls(wire) == []
    let_pass(wire, AFTER * 0.6)

    assert stalls(wire) == ["f\t1\t1\t15\tsilent"]


def test_a_worker_that_never_grabs(wire: Wire) -> None:
    worker_of(wire, asleep=False)
    wire.connect().submit(b"f")

    let_pass(wire, AFTER * 1.5)

    assert stalls(wire) == ["f\t1\t1\t15\tsilent"]


def test_a_worker_that_has_a_job_and_room_for_another_and_does_not_answer(wire: Wire) -> None:
    client, worker = wire.connect(), worker_of(wire)
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    worker.send(Command.PRE_SLEEP)
    client.submit(b"f")

    let_pass(wire, AFTER * 1.5)

    assert stalls(wire) == ["f\t1\t1\t15\tsilent"]


def test_a_worker_that_goes_back_to_sleep(wire: Wire) -> None:
    worker = worker_of(wire)
    wire.connect().submit(b"f")

    for _ in range(int(AFTER * 1.5)):
        worker.packets()
        worker.send(Command.PRE_SLEEP)
        worker.send(Command.PRE_SLEEP)
        let_pass(wire, 1)

    assert stalls(wire) == ["f\t1\t1\t15\tdeclining"]


def test_no_worker(wire: Wire) -> None:
    wire.connect().submit(b"f")

    let_pass(wire, AFTER * 1.5)

    assert stalls(wire) == ["f\t1\t0\t15\tno-workers"]


def test_workers_that_are_busy_are_given_more_time(wire: Wire) -> None:
    client, worker = wire.connect(), worker_of(wire)
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    client.submit(b"f")

    let_pass(wire, BUSY_AFTER * 0.9)
    assert stalls(wire) == []
    let_pass(wire, BUSY_AFTER * 0.2)

    assert stalls(wire) == ["f\t1\t1\t660\tbusy"]


def test_a_queue_that_moves_is_not_stalled_at_any_length(wire: Wire) -> None:
    client, worker = wire.connect(), worker_of(wire, asleep=False)
    for _ in range(100):
        client.submit(b"f")

    for _ in range(50):
        worker.send(Command.GRAB_JOB)
        let_pass(wire, AFTER * 0.9)

    assert stalls(wire) == []


def test_a_stall_ends_when_a_job_is_grabbed(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    client, worker = wire.connect(), worker_of(wire)
    client.submit(b"f")
    client.submit(b"f")
    let_pass(wire, AFTER * 10)

    worker.send(Command.GRAB_JOB)

    assert stalls(wire) == []
    let_pass(wire, AFTER)
    assert [record.getMessage() for record in caplog.records if "accepted" not in record.getMessage()] == [
        "f: 2 jobs have waited for 10 seconds: idle workers do not grab jobs",
        "f: no longer stalled",
    ]
    last = caplog.records[-1]
    assert getattr(last, "fields", None) == {"event": "moving", "function": "f"}


def test_a_function_without_workers_is_a_notice_and_a_silent_worker_an_error(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    wire.connect().submit(b"a\nb")
    let_pass(wire, AFTER * 2)

    worker = wire.connect()
    worker.send(Command.CAN_DO, b"a\nb")
    let_pass(wire, AFTER)
    worker.close()
    let_pass(wire, AFTER)

    lines = [(record.levelno, record.getMessage()) for record in caplog.records if "wait" in record.getMessage()]
    assert lines == [
        (NOTICE, "a\\x0ab: 1 job has waited for 10 seconds: no worker has registered it"),
        (logging.ERROR, "a\\x0ab: 1 job has waited for 25 seconds: idle workers do not grab jobs"),
    ]


def test_a_short_wait_is_not_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    client = wire.connect()
    client.submit(b"f")
    let_pass(wire, AFTER / 2)
    client.close()

    let_pass(wire, AFTER * 2)

    assert [record for record in caplog.records if "accepted" not in record.getMessage()] == []


def test_a_function_that_is_dropped_leaves_nothing_behind(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f")
    let_pass(wire, AFTER * 2)
    client.close()
    assert wire.connect().say("drop function f") == "OK\r\n"

    wire.advance(AFTER)

    assert wire.connect().say("show stalls") == ".\n"
    assert wire.connect().say("status") == ".\n"


def test_without_jobs_the_server_does_not_check(wire: Wire) -> None:
    worker = worker_of(wire, asleep=False)
    assert wire.advance(AFTER) is None
    handle = wire.connect().submit(b"f")
    assert wire.advance(0) == AFTER / 2

    worker.ask(Command.GRAB_JOB)
    worker.send(Command.WORK_COMPLETE, handle, b"")
    wire.advance(AFTER / 2)

    assert wire.advance(0) is None


def test_it_can_be_turned_off() -> None:
    wire = Wire(JobServerOptions(stall_after=0))
    wire.connect().submit(b"f")

    assert wire.advance(1000) is None
    assert stalls(wire) == []


def test_the_check_for_busy_workers_can_be_turned_off() -> None:
    wire = Wire(JobServerOptions(stall_after=AFTER, stall_busy_after=0))
    client, worker = wire.connect(), worker_of(wire, asleep=False)
    client.submit(b"f")
    client.submit(b"f")
    worker.ask(Command.GRAB_JOB)

    let_pass(wire, BUSY_AFTER * 10)

    assert stalls(wire) == []


class TestJobTimeout:
    def test_it_is_for_workers_without_a_timeout_of_their_own(self) -> None:
        wire = Wire(JobServerOptions(job_timeout=5.0))
        client, plain, own, none = (wire.connect() for _ in range(4))
        plain.send(Command.CAN_DO, b"f")
        own.send(Command.CAN_DO_TIMEOUT, b"f", b"8000")
        none.send(Command.CAN_DO_TIMEOUT, b"f", b"0")
        handles = [client.submit(b"f") for _ in range(3)]
        for worker in (plain, own, none):
            worker.ask(Command.GRAB_JOB)

        running = []
        for seconds in (4.9, 0.2, 3.0, 100.0):
            wire.advance(seconds)
            running.append([client.ask(Command.GET_STATUS, handle)[3] for handle in handles])

        assert running == [
            [b"1", b"1", b"1"],
            [b"0", b"1", b"1"],
            [b"0", b"0", b"1"],
            [b"0", b"0", b"1"],
        ]

    def test_there_is_none_by_default(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_of(wire, asleep=False)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        wire.advance(1_000_000)

        assert client.ask(Command.GET_STATUS, handle)[3] == b"1"


def test_an_unresponsive_worker_that_disconnects_is_removed(wire: Wire) -> None:
    worker = worker_of(wire)
    wire.connect().submit(b"f")
    let_pass(wire, AFTER)
    assert wire.connect().say("show stalls").endswith("\tsilent\n.\n")

    worker.close()
    let_pass(wire, AFTER)

    assert wire.connect().say("show stalls").endswith("\tno-workers\n.\n")


def test_a_stall_is_logged_with_fields(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    client = wire.connect()
    worker_of(wire)
    for _ in range(2):
        client.submit(b"f")

    let_pass(wire, AFTER)

    facts = {"function": "f", "waiting": 2, "seconds": 10, "reason": "silent"}
    found = [getattr(record, "fields", None) for record in caplog.records if record.levelno == logging.ERROR]
    assert found == [{"event": "stalled", **facts}]


def test_a_stall_of_a_function_whose_name_is_not_utf_8_is_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.jobs")
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"\xff")
    worker.send(Command.PRE_SLEEP)
    client.submit(b"\xff")
    let_pass(wire, AFTER)

    worker.send(Command.GRAB_JOB)
    let_pass(wire, AFTER)

    assert [line for line in caplog.messages if "accepted" not in line] == [
        "\ufffd: 1 job has waited for 10 seconds: idle workers do not grab jobs",
        "\ufffd: no longer stalled",
    ]


def test_busy_workers_may_be_given_less_than_a_second() -> None:
    wire = Wire(JobServerOptions(stall_after=0.5, stall_busy_after=1.0))
    client, worker = wire.connect(), worker_of(wire)
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    client.submit(b"f")

    let_pass(wire, 3.0)

    assert stalls(wire) == ["f\t1\t1\t3\tbusy"]
