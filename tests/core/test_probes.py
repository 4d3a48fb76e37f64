# SPDX-License-Identifier: MIT
"""Workers that sleep for long are woken to see whether they are there."""

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
    """Let the server look twice: who was asleep the first time is woken the second."""
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


def test_one_that_answers_by_going_back_to_sleep_is_there_too(wire: Wire, worker: WirePeer) -> None:
    look(wire)
    worker.send(Command.PRE_SLEEP)
    wire.advance(AFTER)

    assert worker.packets() == NOOP * 2


def test_one_that_does_not_answer_is_told_of_once_and_not_counted_on(
    wire: Wire, worker: WirePeer, caplog: pytest.LogCaptureFixture
) -> None:
    others = [sleeper(wire) for _ in range(6)]
    look(wire)
    wire.advance(1.0)
    for _ in range(3):
        wire.advance(AFTER)
    assert all(peer.packets() == NOOP for peer in (worker, *others))
    [line] = [record.getMessage() for record in caplog.records if "do not answer" in record.getMessage()]
    assert line.startswith("7 workers do not answer and are not counted on: <Peer ")
    assert line.endswith(", ...")

    new = sleeper(wire)
    wire.connect().submit(b"f")

    assert new.packets() == NOOP, "it is woken at once: nobody waits for the others"


def test_a_job_that_comes_while_it_is_asked_is_its(wire: Wire, worker: WirePeer) -> None:
    look(wire)
    handle = wire.connect().submit(b"f")

    assert worker.packets() == NOOP
    assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", b"")


def test_one_that_works_is_left_alone(wire: Wire, worker: WirePeer) -> None:
    worker.packets()
    wire.connect().submit(b"f")
    worker.send(Command.GRAB_JOB)
    worker.packets()

    look(wire)

    assert worker.packets() == []


def test_one_whose_grab_lasts_was_there_a_moment_ago() -> None:
    wire = Wire(JobServerOptions(probe_after=0.4))
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.OPTION_REQ, b"long-poll")
    worker.send(Command.GRAB_JOB_ALL)
    worker.packets()

    for _ in range(2):
        wire.advance(0.4)

    assert worker.packets() == []


def test_one_that_can_do_nothing_is_left_alone(wire: Wire) -> None:
    idle = wire.connect()
    idle.send(Command.PRE_SLEEP)

    look(wire)

    assert idle.packets() == []


def test_the_server_says_when_it_wants_to_look_again(wire: Wire, worker: WirePeer) -> None:
    assert wire.advance(AFTER) == AFTER
    assert wire.advance(AFTER - 1) == 1.0
    assert wire.advance(1) == 1.0, "until then it has to answer"


def test_nobody_is_asked_unless_that_is_wanted() -> None:
    wire = Wire()
    worker = sleeper(wire)

    look(wire)

    assert worker.packets() == []
