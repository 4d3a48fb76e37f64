# SPDX-License-Identifier: MIT
"""Probes of workers that sleep for long."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

AFTER = 60.0
NOOP = [(Command.NOOP,)]


@pytest.fixture
def wire() -> Wire:
    return Wire(JobServerOptions(probe_after=AFTER, rearm_after=1.0))


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    return sleeper(wire)


def sleeper(wire: Wire) -> WirePeer:
    """Return a worker that sleeps."""
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.PRE_SLEEP)
    return worker


def look(wire: Wire) -> None:
    """Let two checks pass: workers that were asleep at the first are woken at the second."""
    for _ in range(2):
        wire.advance(AFTER)


def test_a_sleeper_is_woken_answers_and_goes_back_to_sleep(wire: Wire, worker: WirePeer) -> None:
    wire.advance(AFTER)
    assert worker.packets() == [], "it has not slept for long"
    wire.advance(AFTER)
    assert worker.packets() == NOOP
    assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
    worker.send(Command.PRE_SLEEP)
    assert worker.packets() == []

    wire.advance(AFTER)
    assert worker.packets() == NOOP


def test_a_worker_that_goes_back_to_sleep_is_alive_too(wire: Wire, worker: WirePeer) -> None:
    look(wire)
    worker.send(Command.PRE_SLEEP)
    wire.advance(AFTER)

    assert worker.packets() == NOOP * 2


def test_a_worker_that_does_not_answer_is_logged_once_and_unresponsive(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture
) -> None:
    others = [sleeper(wire) for _ in range(6)]
    look(wire)
    wire.advance(1.0)
    for _ in range(3):
        wire.advance(AFTER)
    assert all(peer.packets() == NOOP for peer in (worker, *others))
    [line] = [record.getMessage() for record in caplog.records if "do not answer" in record.getMessage()]
    assert line.startswith("7 workers do not answer and are not counted on: ")
    assert line.endswith(f" {worker.peer}, {', '.join(str(other.peer) for other in others[:4])}, ...")

    new = sleeper(wire)
    wire.connect().submit(b"f")

    assert new.packets() == NOOP, "it is woken at once, without waiting for the others"


def test_a_job_that_comes_during_a_probe_goes_to_the_probed_worker(wire: Wire, worker: WirePeer) -> None:
    look(wire)
    handle = wire.connect().submit(b"f")

    assert worker.packets() == NOOP
    assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", b"")


def test_a_worker_that_runs_a_job_is_not_probed(wire: Wire, worker: WirePeer) -> None:
    worker.packets()
    wire.connect().submit(b"f")
    worker.send(Command.GRAB_JOB)
    worker.packets()

    look(wire)

    assert worker.packets() == []


def test_a_worker_with_a_held_grab_is_not_probed() -> None:
    wire = Wire(JobServerOptions(probe_after=0.4))
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.OPTION_REQ, b"long-poll")
    worker.send(Command.GRAB_JOB_ALL)
    worker.packets()

    for _ in range(2):
        wire.advance(0.4)

    assert worker.packets() == []


def test_a_worker_without_functions_is_not_probed(wire: Wire) -> None:
    idle = wire.connect()
    idle.send(Command.PRE_SLEEP)

    look(wire)

    assert idle.packets() == []


def test_tick_returns_the_time_until_the_next_check(wire: Wire, worker: WirePeer) -> None:
    assert wire.advance(AFTER) == AFTER
    assert wire.advance(AFTER - 1) == 1.0
    assert wire.advance(1) == 1.0, "until then it has to answer"


def test_probes_are_off_by_default() -> None:
    wire = Wire()
    worker = sleeper(wire)

    look(wire)

    assert worker.packets() == []
