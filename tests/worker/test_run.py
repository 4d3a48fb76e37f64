# SPDX-License-Identifier: MIT
"""One run of a worker, with times passed in."""

import logging
from typing import Any

import pytest

from geartrain.errors import NoServerAvailable, WorkerStuck
from geartrain.protocol import REQUEST, Command, response
from geartrain.transport import parse_servers
from geartrain.worker.functions import Function, FunctionTable
from geartrain.worker.job import AnyAssignedJob
from geartrain.worker.options import Reason, WorkerOptions
from geartrain.worker.run import WorkerRun
from geartrain.worker.serverstate import ServerState
from geartrain.worker.session import Assignment, WorkerSession
from tests.packets import Packets

NOW = 100.0
OPTIONS = WorkerOptions(concurrency=1, client_id="me")


def a_run(
    servers: str = "a", *, burst: bool = False, idle_timeout: float | None = None, **options: Any
) -> WorkerRun[Any]:
    functions: FunctionTable[Any] = FunctionTable()
    functions.add("f", print)
    chosen = WorkerOptions(**{"concurrency": 1, **options})
    return WorkerRun(
        parse_servers(servers),
        functions,
        lambda call: call,
        chosen,
        burst=burst,
        idle_timeout=idle_timeout,
        registered=print,
        now=NOW,
    )


def connected(work: WorkerRun[Any], server: ServerState) -> WorkerSession:
    """Give a run a connection whose server answers."""
    session = work.connected(server, NOW)
    assert session is not None
    work.receive(server, response(Command.ECHO_RES, b"ready?"), NOW)
    work.turn(NOW)
    session.take_outgoing()
    return session


def begun(
    work: WorkerRun[Any], server: ServerState, handle: bytes = b"H:1", function: bytes = b"f"
) -> list[AnyAssignedJob]:
    """Have the server assign a job; return those to begin."""
    assigned = response(Command.JOB_ASSIGN_UNIQ, handle, function, b"", b"w")
    jobs = [AnyAssignedJob(each, known, OPTIONS) for each, known in work.receive(server, assigned, NOW)]
    for job in jobs:
        work.begin(server, job)
    return jobs


def said(session: WorkerSession) -> list[Command]:
    return [Command(number) for number, _ in Packets(REQUEST).receive(session.take_outgoing())]


class TestConnecting:
    def test_is_wanted_at_once_and_again_after_a_while(self) -> None:
        work = a_run()
        [server] = work.servers

        assert work.wants_connection(server, NOW)
        server.connecting()
        assert not work.wants_connection(server, NOW + 1000)
        work.lost(server, "a:4730: refused", NOW)
        assert server.failure == "refused"
        assert not work.wants_connection(server, NOW)
        assert work.wants_connection(server, work.deadline())

    def test_is_not_wanted_any_more_by_who_leaves(self) -> None:
        work = a_run()
        [server] = work.servers

        work.stop(10.0, NOW)

        assert not work.wants_connection(server, NOW)
        assert work.connected(server, NOW) is None


class TestAJob:
    def test_is_reported_and_the_next_asked_for_in_one_breath(self) -> None:
        work = a_run()
        session = connected(work, work.servers[0])
        [job] = begun(work, work.servers[0])
        job.complete(b"r")

        work.finish(work.servers[0], job, NOW)
        work.turn(NOW)

        assert said(session) == [Command.WORK_COMPLETE, Command.GRAB_JOB_ALL]

    def test_for_a_function_that_was_never_registered_is_failed(self) -> None:
        work = a_run()
        session = connected(work, work.servers[0])

        assert begun(work, work.servers[0], function=b"unknown") == []

        assert said(session) == [Command.WORK_FAIL]
        assert work.running == 0

    def test_of_a_function_that_was_just_removed_is_done(self) -> None:
        work = a_run()
        connected(work, work.servers[0])
        [function] = work.functions.values()
        work.remove(function)

        assert len(begun(work, work.servers[0])) == 1

    def test_whose_connection_is_lost_has_no_result_but_holds_its_slot(self, caplog: pytest.LogCaptureFixture) -> None:
        work = a_run("a,b")
        lost, other = work.servers
        session = connected(work, lost)
        [job] = begun(work, lost)

        work.lost(lost, "gone", NOW)
        waiting = connected(work, other)
        assert said(waiting) == []
        job.complete(b"r")
        work.finish(lost, job, NOW)
        work.turn(NOW)

        assert said(session) == []
        assert said(waiting) == [Command.GRAB_JOB_ALL]
        assert "H:1: its result is lost with the connection" in caplog.text

    def test_that_is_assigned_again_while_it_runs_is_not_begun_twice_and_answered_once(self) -> None:
        """As gearmand does after the job's timeout."""
        work = a_run(concurrency=2)
        [server] = work.servers
        session = connected(work, server)
        [job] = begun(work, server)
        work.turn(NOW)

        assert begun(work, server) == []
        assert work.running == 1
        job.complete(b"r")
        work.finish(server, job, NOW)
        work.turn(NOW)
        assert said(session).count(Command.WORK_COMPLETE) == 1
        assert len(begun(work, server)) == 1  # a server that restarted counts its handles from 1 on

    def test_that_is_assigned_again_after_its_connection_was_lost_is_answered_on_the_new_one(self) -> None:
        work = a_run(concurrency=2)
        [server] = work.servers
        lost = connected(work, server)
        [job] = begun(work, server)
        work.lost(server, "gone", NOW)
        assert job.cancelled
        session = connected(work, server)

        assert begun(work, server) == []
        assert not job.cancelled
        job.complete(b"r")
        work.report(server, job.assignment, (Command.WORK_DATA, b"part"))
        work.finish(server, job, NOW)

        assert said(lost) == []
        assert said(session)[:2] == [Command.WORK_DATA, Command.WORK_COMPLETE]

    def test_does_not_answer_another_job_with_the_same_handle(self) -> None:
        """A server that restarted counts its handles from 1 on."""
        work = a_run(concurrency=2)
        [server] = work.servers
        connected(work, server)
        [job] = begun(work, server)
        work.lost(server, "gone", NOW)
        session = connected(work, server)
        assigned = response(Command.JOB_ASSIGN_UNIQ, b"H:1", b"f", b"", b"another workload")
        [(other, function)] = work.receive(server, assigned, NOW)
        job.complete(b"r")
        work.report(server, job.assignment, (Command.WORK_DATA, b"part"))
        work.finish(server, job, NOW)
        assert said(session) == []

        another = AnyAssignedJob(other, function, OPTIONS)
        work.begin(server, another)
        another.complete(b"s")
        work.finish(server, another, NOW)
        assert said(session)[0] is Command.WORK_COMPLETE
        assert work.running == 0

    def test_that_does_not_end_in_time_costs_its_slot_until_it_ends(self) -> None:
        work = a_run(concurrency=2, max_stuck=2, max_jobs=2)
        [server] = work.servers
        connected(work, server)
        [job] = begun(work, server)
        work.watch(job, NOW + 1)

        assert work.deadline() <= NOW + 1
        assert work.overdue(NOW) == []
        assert work.overdue(NOW + 1) == [job]
        assert work.overdue(NOW + 1) == []
        work.lose_slot(job)
        work.turn(NOW + 1)
        [other] = begun(work, server, b"H:2")
        assert not work.is_over(NOW + 1)
        other.complete(None)
        work.finish(server, other, NOW + 1)

        assert work.is_over(NOW + 1)  # it does not wait for the first one
        job.complete(None)
        work.finish(server, job, NOW + 1)
        assert work.reason() is Reason.MAX_JOBS

    def test_that_gearmand_does_not_want_any_more_is_no_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        work = a_run()
        connected(work, work.servers[0])

        work.receive(work.servers[0], response(Command.ERROR, b"JOB_NOT_FOUND", b"too late"), NOW)
        assert caplog.records == []
        work.receive(work.servers[0], response(Command.ERROR, b"QUEUE_ERROR", b"full"), NOW)

        assert [record.levelno for record in caplog.records] == [logging.WARNING]


class TestTheEnd:
    def test_of_a_burst_is_when_all_servers_that_answer_have_no_job(self) -> None:
        work = a_run("a,b,c", burst=True)
        first, second, third = work.servers
        for server in (first, second):
            connected(work, server)
        work.lost(third, "refused", NOW)
        for server in (first, second):
            assert not work.is_over(NOW)
            work.receive(server, response(Command.NO_JOB), NOW)
            work.turn(NOW)

        assert work.is_over(NOW)
        assert work.reason() is Reason.DRAINED

    def test_of_a_burst_without_a_server_is_an_error_that_names_all(self) -> None:
        work = a_run("a,b", burst=True)
        for server in work.servers:
            work.turn(NOW)
            assert not work.is_over(NOW)
            work.lost(server, "refused", NOW)
        work.turn(NOW)

        assert work.is_over(NOW)
        with pytest.raises(NoServerAvailable, match="a:4730: refused; b:4730: refused"):
            work.reason()

    def test_comes_when_nothing_was_to_be_done_for_long_enough(self) -> None:
        work = a_run(idle_timeout=5.0)
        session = connected(work, work.servers[0])
        [job] = begun(work, work.servers[0])
        work.turn(NOW + 60)
        assert not work.is_over(NOW + 60)
        job.complete(None)
        work.finish(work.servers[0], job, NOW + 60)
        work.receive(work.servers[0], b"", NOW + 60)

        work.turn(NOW + 64)
        session.receive(response(Command.NO_JOB), NOW + 64)
        assert not work.is_over(NOW + 64)
        assert work.deadline() <= NOW + 65
        work.turn(NOW + 65)
        assert work.is_over(NOW + 65)
        assert work.reason() is Reason.IDLE

    def test_comes_with_age_and_waits_for_the_job_in_hand_however_long(self) -> None:
        work = a_run(max_age=5.0)
        connected(work, work.servers[0])
        [job] = begun(work, work.servers[0])

        assert work.deadline() == NOW + 5
        work.turn(NOW + 5)
        assert not work.is_over(NOW + 10_000)
        job.complete(None)
        work.finish(work.servers[0], job, NOW + 10_000)

        assert work.is_over(NOW + 10_000)
        assert work.reason() is Reason.MAX_AGE

    def test_comes_with_a_stop_and_waits_for_the_grace(self, caplog: pytest.LogCaptureFixture) -> None:
        work = a_run()
        connected(work, work.servers[0])
        begun(work, work.servers[0])

        work.stop(10.0, NOW)
        work.stop(20.0, NOW)
        assert work.deadline() == NOW + 10
        assert not work.is_over(NOW + 9)
        assert work.is_over(NOW + 10)
        work.leave()

        assert work.reason() is Reason.STOPPED
        assert caplog.messages == ["leaving 1 running job to other workers"]

    def test_comes_when_jobs_that_do_not_end_hold_all_slots(self) -> None:
        work = a_run(concurrency=2)
        [server] = work.servers
        connected(work, server)
        for handle in (b"H:1", b"H:2"):
            assert not work.is_over(NOW)
            [job] = begun(work, server, handle)
            work.lose_slot(job)
            work.turn(NOW)

        assert work.is_over(NOW)
        with pytest.raises(WorkerStuck, match="hold 2 slots: f H:1, f H:2"):
            work.reason()

    def test_comes_after_so_many_jobs(self) -> None:
        work = a_run(max_jobs=1)
        connected(work, work.servers[0])
        [job] = begun(work, work.servers[0])
        job.complete(None)

        work.finish(work.servers[0], job, NOW)

        assert work.is_over(NOW)
        assert work.reason() is Reason.MAX_JOBS


def test_a_function_added_later_is_in_working_dress() -> None:
    functions: FunctionTable[Any] = FunctionTable()
    work: WorkerRun[Any] = WorkerRun(
        parse_servers("a"),
        functions,
        lambda call: (call, "wrapped"),
        WorkerOptions(concurrency=1),
        burst=False,
        idle_timeout=None,
        registered=print,
        now=NOW,
    )
    session = connected(work, work.servers[0])

    work.add(functions.add("g", print))

    assert said(session)[-1] is Command.CAN_DO
    assert work.functions[b"g"].call == (print, "wrapped")
    assert functions.get(b"g").call is print  # type: ignore[union-attr]  # it is there


def test_an_assignment_is_what_the_job_is_made_of() -> None:
    function = Function("f", b"p:f", print, None)
    job = AnyAssignedJob(Assignment(b"H:1", b"p:f", b"u", b'{"a": 1}', b"r"), function, OPTIONS)

    assert (job.handle, job.function, job.unique, job.reducer, job.client_id) == ("H:1", "f", "u", "r", "me")
    assert (job.workload, job.text, job.json(), job.value) == (b'{"a": 1}', '{"a": 1}', {"a": 1}, b'{"a": 1}')
    assert repr(job) == "<AnyAssignedJob H:1 f: 8 bytes>"


class TestAJobThatIsGivenBack:
    def test_leaves_its_connection_to_the_other_jobs_and_another_connection_takes_its_place(self) -> None:
        work = a_run(concurrency=2)
        [server] = work.servers
        session = connected(work, server)
        [lost] = begun(work, server, b"H:1")
        work.turn(NOW)
        [beside] = begun(work, server, b"H:2")
        session.take_outgoing()

        work.finish(server, lost, NOW)
        successor = work.give_back(server, NOW)

        assert successor is not None
        assert work.servers == [server, successor]
        assert not work.wants_connection(successor, NOW)  # a job that kills each process must not make them at any rate
        assert work.wants_connection(successor, NOW + 1.0)
        assert not session.has_retired
        assert said(session) == []  # about the lost job, or to get another one
        assert [Command.GRAB_JOB_ALL in said_after_greeting(work, successor), work.running] == [True, 1]
        beside.complete(b"")
        work.finish(server, beside, NOW)
        assert session.has_retired
        assert said(session) == [Command.WORK_COMPLETE, Command.CANT_DO]
        work.lost(server, "closed", NOW)
        assert work.servers == [successor]

    def test_shares_the_end_of_its_connection_with_others_that_are_given_back(self) -> None:
        work = a_run(concurrency=2)
        [server] = work.servers
        session = connected(work, server)
        [first] = begun(work, server, b"H:1")
        work.turn(NOW)
        [second] = begun(work, server, b"H:2")

        work.finish(server, first, NOW)
        assert work.give_back(server, NOW) is not None
        work.finish(server, second, NOW)
        assert work.give_back(server, NOW) is None

        assert session.has_retired
        assert len(work.servers) == 2

    def test_went_back_already_with_a_connection_that_was_lost(self) -> None:
        work = a_run()
        [server] = work.servers
        connected(work, server)
        [job] = begun(work, server)
        work.lost(server, "closed", NOW)

        work.finish(server, job, NOW)

        assert work.give_back(server, NOW) is None
        assert work.servers == [server]

    def test_may_come_back_to_this_worker(self) -> None:
        work = a_run()
        [server] = work.servers
        connected(work, server)
        [job] = begun(work, server)
        work.finish(server, job, NOW)
        successor = work.give_back(server, NOW)
        assert successor is not None
        work.lost(server, "closed", NOW)

        connected(work, successor)
        [again] = begun(work, successor)

        assert again.assignment == job.assignment


def said_after_greeting(work: WorkerRun[Any], server: ServerState) -> list[Command]:
    session = work.connected(server, NOW)
    assert session is not None
    work.receive(server, response(Command.ECHO_RES, b"ready?"), NOW)
    work.turn(NOW)
    return said(session)
