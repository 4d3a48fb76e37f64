# SPDX-License-Identifier: MIT
"""Results forwarded to clients, and disconnections of either side (protocol 1.12, 1.13, 8)."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer


def running(wire: Wire, client: WirePeer, *, how: Command = Command.SUBMIT_JOB) -> tuple[WirePeer, bytes]:
    """Submit a job; return a worker that runs it, and its handle."""
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    handle = client.submit(b"f", b"u", b"w", how=how)
    assert worker.ask(Command.GRAB_JOB)[1] == handle
    return worker, handle


class TestForwarding:
    @pytest.mark.parametrize("command", [Command.WORK_DATA, Command.WORK_WARNING])
    def test_pieces_are_forwarded_as_they_are(self, wire: Wire, command: Command) -> None:
        client = wire.connect()
        worker, handle = running(wire, client)

        worker.send(command, handle, b"a\0b")
        worker.send(command, handle, b"")

        assert client.packets() == [(command, handle, b"a\0b"), (command, handle, b"")]
        assert client.ask(Command.GET_STATUS, handle)[2] == b"1"

    def test_progress_is_forwarded_and_kept(self, wire: Wire) -> None:
        client = wire.connect()
        worker, handle = running(wire, client)

        worker.send(Command.WORK_STATUS, handle, b"3", b"10")

        assert client.packets() == [(Command.WORK_STATUS, handle, b"3", b"10")]
        assert client.ask(Command.GET_STATUS, handle) == (Command.STATUS_RES, handle, b"1", b"1", b"3", b"10")

    def test_progress_that_is_no_number_is_forwarded_verbatim_and_kept_as_digits(self, wire: Wire) -> None:
        client = wire.connect()
        worker, handle = running(wire, client)

        worker.send(Command.WORK_STATUS, handle, b"-5", b"12.5")

        assert client.packets() == [(Command.WORK_STATUS, handle, b"-5", b"12.5")]
        assert client.ask(Command.GET_STATUS, handle)[4:] == (b"0", b"12")

    def test_complete_ends_the_job(self, wire: Wire) -> None:
        client = wire.connect()
        worker, handle = running(wire, client)

        worker.send(Command.WORK_COMPLETE, handle, b"")

        assert client.take_bytes() == b"\0RES\0\0\0\x0d\0\0\0\x0e" + handle + b"\0"
        assert client.ask(Command.GET_STATUS, handle)[2] == b"0"

    def test_fail_ends_the_job_with_the_bare_handle(self, wire: Wire) -> None:
        client = wire.connect()
        worker, handle = running(wire, client)

        worker.send(Command.WORK_FAIL, handle)

        assert client.take_bytes() == b"\0RES\0\0\0\x0e\0\0\0\x0d" + handle
        assert client.ask(Command.GET_STATUS, handle)[2] == b"0"

    def test_an_exception_goes_to_clients_that_asked_for_it_and_a_failure_to_others(self, wire: Wire) -> None:
        asked, other = wire.connect(), wire.connect()
        worker, handle = running(wire, asked)
        other.submit(b"f", b"u")
        assert asked.ask(Command.OPTION_REQ, b"Exceptions") == (Command.OPTION_RES, b"Exceptions")

        worker.send(Command.WORK_EXCEPTION, handle, b"boom")

        assert asked.packets() == [(Command.WORK_EXCEPTION, handle, b"boom")]
        assert other.packets() == [(Command.WORK_FAIL, handle)]
        assert asked.ask(Command.GET_STATUS, handle)[2] == b"0"

    def test_exceptions_can_be_switched_on_for_all_clients(self) -> None:
        wire = Wire(JobServerOptions(exceptions=True))
        client = wire.connect()
        worker, handle = running(wire, client)
        client.submit(b"f", b"u")

        worker.send(Command.WORK_EXCEPTION, handle, b"boom")

        assert client.packets() == [(Command.WORK_EXCEPTION, handle, b"boom")] * 2

    def test_details_of_an_exception_go_to_clients_that_asked_for_them(self, wire: Wire) -> None:
        details, plain, other = wire.connect(), wire.connect(), wire.connect()
        worker, handle = running(wire, details)
        for peer in (details, plain):
            peer.ask(Command.OPTION_REQ, b"exceptions")
        for peer in (details, worker):
            assert peer.ask(Command.OPTION_REQ, b"exception-details") == (Command.OPTION_RES, b"exception-details")
        for peer in (plain, other):
            peer.submit(b"f", b"u")

        worker.send(Command.WORK_EXCEPTION, handle, b"details\0bo\0om")

        assert details.packets() == [(Command.WORK_EXCEPTION, handle, b"details\0bo\0om")]
        assert plain.packets() == [(Command.WORK_EXCEPTION, handle, b"bo\0om")]
        assert other.packets() == [(Command.WORK_FAIL, handle)]

    def test_an_exception_of_another_worker_has_empty_details(self, wire: Wire) -> None:
        details, plain = wire.connect(), wire.connect()
        worker, handle = running(wire, details)
        for peer in (details, plain):
            peer.ask(Command.OPTION_REQ, b"exceptions")
        details.ask(Command.OPTION_REQ, b"exception-details")
        plain.submit(b"f", b"u")

        worker.send(Command.WORK_EXCEPTION, handle, b"bo\0om")

        assert details.packets() == [(Command.WORK_EXCEPTION, handle, b"\0bo\0om")]
        assert plain.packets() == [(Command.WORK_EXCEPTION, handle, b"bo\0om")]

    @pytest.mark.parametrize("last", [Command.WORK_COMPLETE, Command.WORK_EXCEPTION])
    def test_a_background_submitter_receives_nothing(self, wire: Wire, last: Command) -> None:
        client = wire.connect()
        worker, handle = running(wire, client, how=Command.SUBMIT_JOB_BG)

        worker.send(Command.WORK_DATA, handle, b"x")
        worker.send(Command.WORK_STATUS, handle, b"1", b"2")
        worker.send(last, handle, b"y")

        assert client.packets() == []
        assert worker.packets() == []

    @pytest.mark.parametrize(
        ("command", "rest", "text"),
        [
            (Command.WORK_STATUS, (b"1", b"2"), b"Job given in work result not found"),
            (Command.WORK_COMPLETE, (b"",), b"Job given in work result not found"),
            (Command.WORK_FAIL, (), b"Job given in work result not found"),
            (Command.WORK_DATA, (b"",), b"Job does not exist on server"),
            (Command.WORK_WARNING, (b"",), b"Job does not exist on server"),
            (Command.WORK_EXCEPTION, (b"",), b"An exception was received for a job that does not exist"),
        ],
    )
    def test_only_the_worker_that_runs_a_job_may_report_on_it(
        self, wire: Wire, command: Command, rest: tuple[bytes, ...], text: bytes
    ) -> None:
        client, stranger = wire.connect(), wire.connect()
        _, handle = running(wire, client)

        assert stranger.ask(command, handle, *rest) == (Command.ERROR, b"JOB_NOT_FOUND", text)
        assert client.packets() == []


class TestClientsThatLeave:
    def test_a_waiting_job_lives_as_long_as_one_client_waits(self, wire: Wire) -> None:
        one, two, watcher = wire.connect(), wire.connect(), wire.connect()
        handle = one.submit(b"f", b"u")
        two.submit(b"f", b"u")

        one.close()
        assert watcher.ask(Command.GET_STATUS, handle)[2] == b"1"
        two.close()
        assert watcher.ask(Command.GET_STATUS, handle)[2] == b"0"

    def test_a_running_job_goes_on_and_its_results_are_dropped(self, wire: Wire) -> None:
        client, watcher = wire.connect(), wire.connect()
        worker, handle = running(wire, client)

        client.close()
        assert watcher.say("show jobs") == f"{handle.decode()}\t0\t1\t0\n.\n"
        for command, rest in ((Command.WORK_DATA, (b"x",)), (Command.WORK_STATUS, (b"1", b"2"))):
            worker.send(command, handle, *rest)
        worker.send(Command.WORK_COMPLETE, handle, b"y")

        assert worker.packets() == []
        assert watcher.say("show jobs") == ".\n"

    def test_a_background_job_survives_its_submitter(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        handle = client.submit(b"f", how=Command.SUBMIT_JOB_BG)

        client.close()
        worker.send(Command.CAN_DO, b"f")

        assert worker.ask(Command.GRAB_JOB)[1] == handle

    def test_a_connection_that_is_both_can_leave(self, wire: Wire) -> None:
        """Its job has lost client and worker at once, and is dropped."""
        both, watcher = wire.connect(), wire.connect()
        both.send(Command.CAN_DO, b"f")
        both.submit(b"f")
        both.ask(Command.GRAB_JOB)

        both.close()

        assert watcher.say("status") == "f\t0\t0\t0\n.\n"


class TestWorkersThatLeave:
    def test_their_jobs_go_to_others_in_the_old_order(self, wire: Wire) -> None:
        client, lost, other = wire.connect(), wire.connect(), wire.connect()
        for worker in (lost, other):
            worker.send(Command.CAN_DO, b"f")
        handles = [client.submit(b"f") for _ in range(4)]
        for _ in range(3):
            lost.ask(Command.GRAB_JOB)

        lost.close()

        assert [other.ask(Command.GRAB_JOB)[1] for _ in range(4)] == handles
        assert other.say("show jobs").split("\n")[0] == "H:localhost:1\t1\t0\t0"

    def test_progress_starts_again(self, wire: Wire) -> None:
        client = wire.connect()
        worker, handle = running(wire, client)
        worker.send(Command.WORK_STATUS, handle, b"1", b"2")
        client.packets()

        worker.close()

        assert client.ask(Command.GET_STATUS, handle) == (Command.STATUS_RES, handle, b"1", b"0", b"0", b"0")

    def test_a_job_whose_client_left_as_well_is_dropped(self, wire: Wire) -> None:
        client, watcher = wire.connect(), wire.connect()
        worker, _ = running(wire, client)
        client.close()

        worker.close()

        assert watcher.say("show jobs") == ".\n"

    @pytest.mark.parametrize(("job_retries", "attempts"), [(-1, None), (0, 1), (1, 1), (2, 2), (3, 3)])
    def test_the_retry_limit(self, job_retries: int, attempts: int | None) -> None:
        wire = Wire(JobServerOptions(job_retries=job_retries))
        client = wire.connect()
        handle = client.submit(b"f")
        for attempt in range(1, 6):
            worker = wire.connect()
            worker.send(Command.CAN_DO, b"f")
            assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN
            worker.close()
            if attempt == attempts:
                assert client.packets() == [(Command.WORK_FAIL, handle)]
                assert client.say("status") == "f\t0\t0\t0\n.\n"
                return
            assert client.packets() == []
        assert attempts is None


class TestTimeouts:
    """CAN_DO_TIMEOUT: one deadline for each job (protocol 1.13)."""

    @pytest.mark.parametrize("last", [Command.WORK_FAIL, Command.WORK_EXCEPTION])
    @pytest.mark.parametrize("option", [b"long-poll", b"exceptions"])
    def test_a_sleeping_worker_hears_of_its_job_after_its_last_word_on_it(
        self, wire: Wire, last: Command, option: bytes
    ) -> None:
        """A worker with several slots sleeps while it does the job, and may have it again after that."""
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.OPTION_REQ, option)
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        worker.send(Command.GRAB_JOB_ALL)
        worker.send(Command.PRE_SLEEP)
        wire.advance(1.0)
        worker.send(Command.GRAB_JOB_ALL)  # it was woken for the job, which it may not have yet
        worker.send(Command.PRE_SLEEP)
        worker.packets()

        worker.send(last, handle, *([b"late"] if last is Command.WORK_EXCEPTION else []))

        assert worker.packets() == [(Command.NOOP,)]
        assert worker.ask(Command.GRAB_JOB)[:2] == (Command.JOB_ASSIGN, handle)
        worker.send(last, handle, *([b"again"] if last is Command.WORK_EXCEPTION else []))
        assert client.packets() == [(Command.WORK_FAIL, handle)]

    @staticmethod
    def slow(wire: Wire, milliseconds: bytes = b"2000") -> tuple[WirePeer, WirePeer, bytes]:
        """Return a client, the worker that runs its job with a timeout, and the handle."""
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", milliseconds)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        return client, worker, handle

    def test_a_job_that_takes_too_long_goes_to_another_worker(self, wire: Wire) -> None:
        client, _, handle = self.slow(wire)
        other = wire.connect()
        other.send(Command.CAN_DO, b"f")

        assert wire.advance(1.9) == pytest.approx(0.1)
        assert other.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        wire.advance(0.1)

        assert other.ask(Command.GRAB_JOB)[1] == handle
        assert client.packets() == []

    def test_progress_does_not_extend_it(self, wire: Wire) -> None:
        client, worker, handle = self.slow(wire)
        wire.advance(1.5)
        worker.send(Command.WORK_STATUS, handle, b"1", b"2")
        wire.advance(0.5)
        client.packets()

        assert client.ask(Command.GET_STATUS, handle)[3] == b"0"

    def test_at_the_retry_limit_the_client_gets_a_failure(self) -> None:
        wire = Wire(JobServerOptions(job_retries=0))
        client, worker, handle = self.slow(wire)

        wire.advance(2)

        assert client.packets() == [(Command.WORK_FAIL, handle)]
        assert worker.packets() == []

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            (b"1", 1.0),
            (b"999", 1.0),
            (b"1500", 1.5),
            (b"2000ms", 2.0),
            (b"0", None),
            (b"-7", None),
            (b"", None),
            (b"soon", None),
        ],
    )
    def test_the_number_is_parsed(self, wire: Wire, text: bytes, seconds: float | None) -> None:
        self.slow(wire, text)

        assert wire.advance(0) == (seconds if seconds is None else pytest.approx(seconds))

    def test_the_newest_registration_decides(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"5000")
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"2000")
        client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        assert wire.advance(0) == pytest.approx(2.0)

    def test_the_deadline_is_cancelled_with_a_lost_worker(self, wire: Wire) -> None:
        _, worker, _ = self.slow(wire)

        worker.close()
        wire.advance(3600)

        assert wire.connect().say("show jobs").split("\t")[1] == "1", "it was lost once, and has not timed out"


def test_data_for_many_submissions_of_a_client_is_held_once(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    for _ in range(100):
        client.submit(b"f", b"u")
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.GRAB_JOB)
    data = b"x" * 1000

    worker.send(Command.WORK_DATA, b"H:localhost:1", data)
    wire.settle()

    pieces = [piece for piece in client.peer.outbox.take() if piece]
    assert len(pieces) == 100
    assert len({id(piece) for piece in pieces}) == 1
    assert pieces[0].endswith(data)
