# SPDX-License-Identifier: MIT
"""Limits: each has a clear error, is counted, and drops no accepted job."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.limits import JOB_WEIGHT, MAX_ABILITIES, MAX_WAITS, Limit, Refused
from geartrain.core.record import JobRecord
from geartrain.protocol import Command
from geartrain.protocol.packets import response
from geartrain.testing.wire import Wire, WirePeer

CRON = (b"*", b"*", b"*", b"*", b"*")


def refusal(peer: WirePeer, command: Command, *arguments: bytes) -> str:
    """Return the text of the error that answers a packet."""
    reply = peer.ask(command, *arguments)
    assert reply[:2] == (Command.ERROR, b"QUEUE_ERROR")
    text = reply[2]
    assert isinstance(text, bytes)
    return text.decode()


class TestMemory:
    MOST = 10 * JOB_WEIGHT
    FULL = "Too much memory for jobs (limit 10000 bytes)"

    @pytest.fixture
    def wire(self) -> Wire:
        return Wire(JobServerOptions(max_memory=self.MOST))

    @pytest.mark.parametrize("how", [Command.SUBMIT_JOB, Command.SUBMIT_JOB_BG])
    def test_a_job_beyond_the_limit_is_refused_and_accepted_ones_stay(self, wire: Wire, how: Command) -> None:
        client, worker = wire.connect(), wire.connect()
        large = b"x" * (self.MOST // 2)
        handle = client.submit(b"f", b"", large, how=how)

        assert refusal(client, how, b"f", b"", large) == self.FULL
        assert wire.server.refused[Limit.MEMORY] == 1
        worker.send(Command.CAN_DO, b"f")
        assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", large)
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)

    def test_jobs_that_end_make_room(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        for _ in range(100):
            handle = client.submit(b"f", b"", b"x" * (self.MOST // 2))
            worker.ask(Command.GRAB_JOB)
            worker.send(Command.WORK_COMPLETE, handle, b"")
            client.packets()

        passer_by = wire.connect()
        for _ in range(4):
            passer_by.submit(b"f", b"", b"x" * JOB_WEIGHT)
        passer_by.close()

        assert client.submit(b"f", b"", b"x" * (self.MOST - JOB_WEIGHT))

    def test_jobs_without_workloads_count_too(self, wire: Wire) -> None:
        client = wire.connect()
        for _ in range(10):
            client.submit(b"f")

        assert refusal(client, Command.SUBMIT_JOB, b"f", b"", b"") == self.FULL

    def test_a_coalesced_submission_does_not_count(self, wire: Wire) -> None:
        client, other = wire.connect(), wire.connect()
        large = b"x" * (self.MOST - JOB_WEIGHT)
        handle = client.submit(b"f", b"u", large)

        assert other.submit(b"f", b"u", large) == handle

    def test_a_job_that_lost_its_worker_is_requeued(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        for _ in range(9):
            client.submit(b"f")

        worker.close()
        other = wire.connect()
        other.send(Command.CAN_DO, b"f")

        assert other.ask(Command.GRAB_JOB)[1] == handle

    def test_restored_jobs_are_accepted_beyond_the_limit(self, wire: Wire) -> None:
        wire.server.begin_restoring(100)
        wire.server.restore(
            [JobRecord(number, b"H:a:%d" % number, b"f", b"", 1, b"x" * 1000) for number in range(1, 101)]
        )
        wire.server.end_restoring()

        assert wire.connect().say("status") == "f\t100\t0\t0\n.\n"
        assert refusal(wire.connect(), Command.SUBMIT_JOB, b"f", b"", b"") == self.FULL

    def test_schedules_count(self, wire: Wire) -> None:
        client = wire.connect()
        half = b"x" * (self.MOST // 2)
        handle = client.ask(Command.SUBMIT_JOB_SCHED, b"f", b"u", *CRON, half)[1]

        assert refusal(client, Command.SUBMIT_JOB_SCHED, b"f", b"v", *CRON, half) == self.FULL
        assert client.ask(Command.SUBMIT_JOB_SCHED, b"f", b"u", *CRON, half[1:])[1] == handle
        assert isinstance(handle, bytes)
        assert client.say(f"cancel job {handle.decode()}") == "OK\r\n"
        assert client.submit(b"f", b"", b"x" * (self.MOST - JOB_WEIGHT))

    def test_a_run_of_a_schedule_beyond_the_limit_is_skipped(
        self, wire: Wire, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = wire.connect()
        client.send(Command.SUBMIT_JOB_SCHED, b"f", b"u", *CRON, b"x" * (self.MOST - JOB_WEIGHT))

        wire.advance(60)

        assert not wire.server.has_work
        assert caplog.messages == [f"<Schedule H:localhost:1 * * * * *>: skipped a run: {self.FULL}"]


class TestFunctions:
    FULL = "Too many functions (limit 2)"

    @pytest.fixture
    def wire(self) -> Wire:
        wire = Wire(JobServerOptions(max_functions=2))
        for name in (b"f", b"g"):
            wire.connect().submit(name)
        return wire

    @pytest.mark.parametrize(
        ("command", "arguments"),
        [
            (Command.SUBMIT_JOB, (b"h", b"", b"")),
            (Command.SUBMIT_JOB_SCHED, (b"h", b"", *CRON, b"")),
            (Command.CAN_DO, (b"h",)),
            (Command.CAN_DO_TIMEOUT, (b"h", b"1000")),
        ],
    )
    def test_a_new_function_is_refused(self, wire: Wire, command: Command, arguments: tuple[bytes, ...]) -> None:
        assert refusal(wire.connect(), command, *arguments) == self.FULL
        assert wire.server.refused[Limit.FUNCTIONS] == 1

    def test_a_new_function_cannot_be_created(self, wire: Wire) -> None:
        assert wire.connect().say("create function h") == f"ERR QUEUE_ERROR {self.FULL.replace(' ', '+')}\r\n"

    def test_existing_functions_still_work(self, wire: Wire) -> None:
        peer = wire.connect()
        assert peer.submit(b"f")
        peer.send(Command.CAN_DO, b"g")

        assert peer.ask(Command.GRAB_JOB)[2] == b"g"

    def test_one_connection_can_do_so_many(self) -> None:
        wire = Wire()
        worker = wire.connect()
        for number in range(MAX_ABILITIES):
            worker.send(Command.CAN_DO, b"f%d" % number)

        assert (
            refusal(worker, Command.CAN_DO, b"g") == f"Too many functions for this connection (limit {MAX_ABILITIES})"
        )
        worker.send(Command.CAN_DO, b"f0")
        worker.send(Command.CANT_DO, b"f0")
        worker.send(Command.CAN_DO, b"g")
        assert worker.packets() == []

    def test_a_function_name_has_a_maximum_length(self) -> None:
        peer = Wire().connect()
        assert peer.submit(b"x" * 8000)

        reply = peer.ask(Command.CAN_DO, b"x" * 8001)

        assert reply == (Command.ERROR, b"ARGUMENT_TOO_LARGE", b"The name of a function may have 8000 bytes")


def test_a_rejected_connection_gets_an_error_and_is_counted(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    message = wire.server.reject("10.0.0.7", Refused(Limit.CONNECTIONS, "No room", "TOO_MANY_CONNECTIONS"))

    assert message == response(Command.ERROR, b"TOO_MANY_CONNECTIONS", b"No room")
    assert wire.server.refused[Limit.CONNECTIONS] == 1
    assert "GEARMAN_TOO_MANY_CONNECTIONS:No room; sent to 10.0.0.7" in caplog.text


def test_refusals_are_counted() -> None:
    wire = Wire(JobServerOptions(max_functions=1))
    peer = wire.connect()
    peer.submit(b"f")
    for _ in range(3):
        refusal(peer, Command.SUBMIT_JOB, b"g", b"", b"")
    peer.say("maxqueue f 1")
    refusal(peer, Command.SUBMIT_JOB, b"f", b"", b"")

    assert peer.say("show limits").splitlines() == [
        "queue\t1",
        "memory\t0",
        "functions\t3",
        "jobs-per-connection\t0",
        "connections\t0",
        "connections-per-address\t0",
        "unsent\t0",
        ".",
    ]


class TestJobsOfAConnection:
    def test_a_connection_may_wait_for_a_limited_number_of_jobs(self) -> None:
        wire = Wire(JobServerOptions(max_jobs_per_connection=2))
        client, other = wire.connect(), wire.connect()
        handles = [client.submit(b"f") for _ in range(2)]

        text = refusal(client, Command.SUBMIT_JOB, b"f", b"", b"")

        assert text == "Too many jobs for this connection (limit 2)"
        assert wire.server.refused[Limit.JOBS] == 1
        assert other.submit(b"f")
        assert client.submit(b"f", how=Command.SUBMIT_JOB_BG), "it does not wait for that"
        client.say(f"cancel job {handles[0].decode()}")
        assert client.submit(b"f")

    def test_submissions_of_a_connection_that_wait_for_one_job_are_limited(self, wire: Wire) -> None:
        """Each packet of the worker is sent once for each of them."""
        client = wire.connect()
        for _ in range(MAX_WAITS):
            client.submit(b"f", b"u")

        assert refusal(client, Command.SUBMIT_JOB, b"f", b"u", b"").startswith("Too many submissions of this job")
        assert wire.connect().submit(b"f", b"u")
        assert client.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)


def test_each_rejection_counts() -> None:
    wire = Wire(JobServerOptions(max_functions=1))
    client = wire.connect()
    client.submit(b"f")

    for _ in range(3):
        refusal(client, Command.SUBMIT_JOB, b"g", b"", b"")

    assert wire.server.refused[Limit.FUNCTIONS] == 3
    for number in range(3):
        client.say(f"create function g{number}")
    assert wire.server.refused[Limit.FUNCTIONS] == 6
    for _ in range(2):
        wire.server.reject("10.0.0.7", Refused(Limit.CONNECTIONS, "No room"))
    assert wire.server.refused[Limit.CONNECTIONS] == 2
