# SPDX-License-Identifier: MIT
"""The dispatcher of a worker: the connections that may grab, and the end of a limited run."""

import pytest

from geartrain.protocol import Command, response
from geartrain.worker.dispatcher import Dispatcher
from geartrain.worker.session import State, WorkerSession

NOW = 100.0


def awake(dispatcher: Dispatcher, count: int = 1) -> list[WorkerSession]:
    sessions = [WorkerSession([(b"f", None)], b"", NOW) for _ in range(count)]
    for session in sessions:
        session.receive(response(Command.ECHO_RES, b"ready?"), NOW)
        dispatcher.admit(session)
    return sessions


def assign(session: WorkerSession, handle: bytes = b"H:1") -> None:
    session.receive(response(Command.JOB_ASSIGN_UNIQ, handle, b"f", b"", b""), NOW)


def states(sessions: list[WorkerSession]) -> list[State]:
    return [session.state for session in sessions]


def test_one_slot_asks_one_server_at_a_time() -> None:
    dispatcher = Dispatcher(1)
    sessions = awake(dispatcher, 2)

    dispatcher.grab(NOW)
    assert states(sessions) == [State.GRABBING, State.AWAKE]
    sessions[0].receive(response(Command.NO_JOB), NOW)
    dispatcher.grab(NOW)
    assert states(sessions) == [State.ASLEEP, State.GRABBING]


def test_servers_take_turns() -> None:
    dispatcher = Dispatcher(1)
    sessions = awake(dispatcher, 2)
    served = []

    for _ in range(4):
        dispatcher.grab(NOW)
        [grabbing] = [session for session in sessions if session.state is State.GRABBING]
        served.append(sessions.index(grabbing))
        assign(grabbing)
        dispatcher.start()
        dispatcher.grab(NOW)
        assert State.GRABBING not in states(sessions)
        grabbing.finish(b"H:1")
        dispatcher.finish()

    assert served == [0, 1, 0, 1]


@pytest.mark.parametrize(("slots", "running", "asked"), [(1, 0, 1), (4, 0, 4), (4, 3, 1), (4, 4, 0)])
def test_no_more_is_asked_for_than_there_are_slots(slots: int, running: int, asked: int) -> None:
    dispatcher = Dispatcher(slots)
    [session] = awake(dispatcher)
    for number in range(16):  # jobs that come one after the other make a session ask for more
        session.grab(NOW)
        assign(session, b"H:%d" % number)
        session.finish(b"H:%d" % number)
    for _ in range(running):
        dispatcher.start()

    dispatcher.grab(NOW)

    assert session.asked == asked


def test_several_servers_share_the_slots() -> None:
    dispatcher = Dispatcher(3)
    sessions = awake(dispatcher, 2)
    for session in sessions:
        for number in range(4):
            session.grab(NOW)
            assign(session, b"H:%d" % number)
            session.finish(b"H:%d" % number)

    dispatcher.grab(NOW)

    assert [session.asked for session in sessions] == [2, 1]


def test_jobs_of_a_lost_connection_still_take_their_slots() -> None:
    dispatcher = Dispatcher(1)
    lost, other = awake(dispatcher, 2)
    dispatcher.grab(NOW)
    assign(lost)
    dispatcher.start()

    dispatcher.dismiss(lost)
    dispatcher.grab(NOW)
    assert states([other]) == [State.AWAKE]
    dispatcher.finish()
    dispatcher.grab(NOW)
    assert states([other]) == [State.GRABBING]


def test_no_more_is_begun_than_was_wanted() -> None:
    dispatcher = Dispatcher(5, max_jobs=1)
    sessions = awake(dispatcher, 2)

    dispatcher.grab(NOW)
    assert states(sessions) == [State.GRABBING, State.AWAKE]
    assign(sessions[0])
    dispatcher.start()
    assert dispatcher.stopping
    assert not dispatcher.is_finished
    dispatcher.finish()
    assert dispatcher.is_finished


def test_a_stop_waits_for_a_job_that_may_be_on_its_way() -> None:
    dispatcher = Dispatcher(1)
    [session] = awake(dispatcher)
    dispatcher.grab(NOW)

    dispatcher.stop()
    assert not dispatcher.is_finished
    session.receive(response(Command.NO_JOB), NOW)
    assert dispatcher.is_finished


def test_servers_that_connect_later_learn_of_a_stop() -> None:
    dispatcher = Dispatcher(1)
    dispatcher.stop()

    [session] = awake(dispatcher)

    assert b"f" in session.take_outgoing()
    dispatcher.grab(NOW)
    assert session.state is State.AWAKE


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_it_is_idle_when_every_server_has_said_so_that_answers(answered: int) -> None:
    dispatcher = Dispatcher(2)
    dispatcher.admit(WorkerSession([(b"f", None)], b"", NOW))
    sessions = awake(dispatcher, 2)
    dispatcher.grab(NOW)

    for session in sessions[:answered]:
        session.receive(response(Command.NO_JOB), NOW)

    assert dispatcher.is_idle is (answered == 2)
