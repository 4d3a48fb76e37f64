# SPDX-License-Identifier: MIT
"""Grabs: the job that a worker gets, and the packet (protocol 1.9, 1.10)."""

import pytest

from geartrain.core import JobServerOptions, PriorityScope
from geartrain.protocol import Command
from geartrain.testing.wire import Wire

JOBS = {"H": Command.SUBMIT_JOB_HIGH, "0": Command.SUBMIT_JOB, "1": Command.SUBMIT_JOB, "2": Command.SUBMIT_JOB}
JOBS["L"] = Command.SUBMIT_JOB_LOW


def drained(wire: Wire) -> str:
    """Let a worker empty queues a, b and c with one high, three normal and one low job each."""
    client, worker = wire.connect(), wire.connect()
    for function in (b"a", b"b", b"c"):
        for name, how in reversed(JOBS.items()) if function == b"b" else JOBS.items():
            client.submit(function, b"", name.encode(), how=how)
        worker.send(Command.CAN_DO, function)
    order = []
    while (packet := worker.ask(Command.GRAB_JOB))[0] is Command.JOB_ASSIGN:
        order.append(b"".join(packet[2:4]).decode())  # type: ignore[arg-type]  # the fields are bytes
    return " ".join(order)


class TestOrder:
    def test_priorities_are_global_and_functions_take_turns(self) -> None:
        assert drained(Wire()) == "cH bH aH c0 b2 a0 c1 b1 a1 c2 b0 a2 cL bL aL"

    def test_per_function_priorities_drain_one_function_after_the_other(self) -> None:
        wire = Wire(JobServerOptions(priority_scope=PriorityScope.FUNCTION))

        assert drained(wire) == "cH c0 c1 c2 cL bH b2 b1 b0 bL aH a0 a1 a2 aL"

    def test_per_function_priorities_with_round_robin(self) -> None:
        wire = Wire(JobServerOptions(priority_scope=PriorityScope.FUNCTION, round_robin=True))

        assert drained(wire) == "cH bH aH c0 b2 a0 c1 b1 a1 c2 b0 a2 cL bL aL"

    def test_round_robin_alone_ignores_priorities_of_other_functions(self) -> None:
        wire = Wire(JobServerOptions(priority_scope=PriorityScope.FUNCTION, round_robin=True))
        client, worker = wire.connect(), wire.connect()
        client.submit(b"a", b"", b"", how=Command.SUBMIT_JOB_HIGH)
        client.submit(b"b", b"", b"", how=Command.SUBMIT_JOB_LOW)
        for function in (b"a", b"b"):
            worker.send(Command.CAN_DO, function)

        assert [worker.ask(Command.GRAB_JOB)[2] for _ in range(2)] == [b"b", b"a"]


class TestPackets:
    @pytest.mark.parametrize("reducer", [b"", b"reduce"])
    def test_each_grab_has_its_own_answer(self, wire: Wire, reducer: bytes) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        for _ in range(3):
            client.send(Command.SUBMIT_REDUCE_JOB, b"f", b"", reducer, b"", b"w")

        h = [b"H:localhost:%d" % number for number in range(4)]
        assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, h[1], b"f", b"w")
        assert worker.ask(Command.GRAB_JOB_UNIQ) == (Command.JOB_ASSIGN_UNIQ, h[2], b"f", b"", b"w")
        if reducer:
            assert worker.ask(Command.GRAB_JOB_ALL) == (Command.JOB_ASSIGN_ALL, h[3], b"f", b"", b"reduce", b"w")
        else:
            assert worker.ask(Command.GRAB_JOB_ALL) == (Command.JOB_ASSIGN_UNIQ, h[3], b"f", b"", b"w")

    @pytest.mark.parametrize("grab", [Command.GRAB_JOB, Command.GRAB_JOB_UNIQ, Command.GRAB_JOB_ALL])
    def test_a_grab_without_jobs_is_answered_by_no_job(self, wire: Wire, grab: Command) -> None:
        worker = wire.connect()
        assert worker.ask(grab) == (Command.NO_JOB,)
        worker.send(Command.CAN_DO, b"f")
        assert worker.ask(grab) == (Command.NO_JOB,)

    def test_a_worker_may_run_any_number_of_jobs(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        handles = [client.submit(b"f") for _ in range(5)]

        assert [worker.ask(Command.GRAB_JOB)[1] for _ in range(5)] == handles


class TestReduceJobs:
    def test_a_reduce_job_has_a_fourth_argument_that_is_ignored(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")

        client.send(Command.SUBMIT_REDUCE_JOB, b"f", b"u", b"r", b"aggregator", b"w\0w")

        assigned = worker.ask(Command.GRAB_JOB_ALL)
        assert assigned == (Command.JOB_ASSIGN_ALL, b"H:localhost:1", b"f", b"u", b"r", b"w\0w")

    def test_a_background_reduce_job_sends_no_result(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.send(Command.SUBMIT_REDUCE_JOB_BACKGROUND, b"f", b"u", b"r", b"", b"w")
        client.packets()

        worker.ask(Command.GRAB_JOB_ALL)
        worker.send(Command.WORK_COMPLETE, b"H:localhost:1", b"")

        assert client.packets() == []

    def test_a_reducer_of_more_than_64_bytes_is_refused(self, wire: Wire) -> None:
        client = wire.connect()

        reply = client.ask(Command.SUBMIT_REDUCE_JOB, b"f", b"u", b"r" * 65, b"", b"w")

        assert reply == (Command.ERROR, b"ARGUMENT_TOO_LARGE", b"Unique value too large")


class TestRegistration:
    def test_cant_do_unregisters_a_function(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        client.submit(b"f")
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.CANT_DO, b"f")
        worker.send(Command.CANT_DO, b"never heard of")

        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)

    def test_reset_abilities_unregisters_all_functions(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        for function in (b"f", b"g"):
            client.submit(function)
            worker.send(Command.CAN_DO, function)
        worker.send(Command.RESET_ABILITIES)

        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        assert client.say("status") == "f\t1\t0\t0\ng\t1\t0\t0\n.\n"

    def test_names_are_bytes_and_case_matters(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        client.submit(b"Gr\xc3\xbc\xc3\x9fe")
        worker.send(Command.CAN_DO, b"gr\xc3\xbc\xc3\x9fe")
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        worker.send(Command.CAN_DO, b"Gr\xc3\xbc\xc3\x9fe")
        assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN
