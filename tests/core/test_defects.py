# SPDX-License-Identifier: MIT
"""The defects of the C server by name, each with the behaviour of ours (protocol 7.1-7.4, 7.6)."""

import struct

import pytest

from geartrain.core import JobServerOptions
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer

NOOP = (Command.NOOP,)
NO_JOB = (Command.NO_JOB,)


def worker_for(wire: Wire, *functions: bytes) -> WirePeer:
    worker = wire.connect()
    for function in functions or (b"f",):
        worker.send(Command.CAN_DO, function)
    return worker


def assert_alive(wire: Wire) -> None:
    """Check that the server still runs a job, and that its counts are right."""
    client, worker = wire.connect(), worker_for(wire, b"alive")
    handle = client.submit(b"alive")
    assert worker.ask(Command.GRAB_JOB)[1] == handle
    worker.send(Command.WORK_COMPLETE, handle, b"yes")
    assert client.packets() == [(Command.WORK_COMPLETE, handle, b"yes")]


class TestCrashes:
    """7.1: input that crashes the C server."""

    @pytest.mark.parametrize("number", [2**31, 2**32 - 1])
    def test_packet_type_of_2_31_or_more(self, wire: Wire, number: int) -> None:
        peer = wire.connect()

        peer.send_bytes(struct.pack(">4sII", b"\0REQ", number, 0))

        assert peer.packets()[0][:2] == (Command.ERROR, b"INVALID_COMMAND")
        assert peer.is_closed
        assert_alive(wire)

    def test_can_do_timeout_out_of_range(self, wire: Wire) -> None:
        worker = wire.connect()

        reply = worker.ask(Command.CAN_DO_TIMEOUT, b"f", b"99999999999999999999")

        assert reply[:2] == (Command.ERROR, b"INVALID_ARGUMENT")
        assert worker.is_closed
        assert_alive(wire)

    @pytest.mark.parametrize("line", ["create function ", "create function", "create function \r"])
    def test_create_function_without_a_name(self, wire: Wire, line: str) -> None:
        reply = wire.connect().say(line)

        assert reply.startswith("ERR INVALID_ARGUMENTS")
        assert_alive(wire)

    def test_header_announcing_4_gib(self, wire: Wire) -> None:
        peer = wire.connect()

        peer.send_bytes(struct.pack(">4sII", b"\0REQ", Command.ECHO_REQ, 2**32 - 1))

        assert peer.packets()[0][:2] == (Command.ERROR, b"ARGUMENT_TOO_LARGE")
        assert peer.is_closed

    @pytest.mark.parametrize("how", [Command.SUBMIT_REDUCE_JOB, Command.SUBMIT_REDUCE_JOB_BACKGROUND])
    def test_reduce_job_with_a_long_unique(self, wire: Wire, how: Command) -> None:
        client, worker = wire.connect(), worker_for(wire)

        reply = client.ask(how, b"f", b"u" * 65, b"r", b"", b"w")

        assert reply == (Command.ERROR, b"ARGUMENT_TOO_LARGE", b"Unique value too large")
        assert worker.ask(Command.GRAB_JOB_ALL) == NO_JOB

    def test_an_http_request_ends_the_connection(self, wire: Wire) -> None:
        """There is no HTTP, and so nothing in it that a worker could bring down."""
        peer = wire.connect()

        peer.send_bytes(b"POST /reverse HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\n")

        assert b"ERR" not in peer.take_bytes()
        assert peer.is_closed
        assert_alive(wire)


class TestLostJobs:
    """7.2: jobs that the C server loses around coalescing."""

    @pytest.mark.parametrize("again", [Command.SUBMIT_JOB, Command.SUBMIT_JOB_BG])
    def test_same_unique_after_the_foreground_client_left(self, wire: Wire, again: Command) -> None:
        gone, client = wire.connect(), wire.connect()
        gone.submit(b"f", b"u", b"old")
        gone.close()

        handle = client.submit(b"f", b"u", b"new", how=again)

        assert worker_for(wire).ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", b"new")

    def test_same_unique_while_the_job_of_a_client_that_left_runs(self, wire: Wire) -> None:
        gone, client, worker = wire.connect(), wire.connect(), worker_for(wire)
        handle = gone.submit(b"f", b"u")
        worker.ask(Command.GRAB_JOB)
        gone.close()

        assert client.submit(b"f", b"u") == handle
        worker.send(Command.WORK_COMPLETE, handle, b"done")

        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"done")]

    def test_background_job_that_a_foreground_client_joined_and_left(self, wire: Wire) -> None:
        submitter, joiner = wire.connect(), wire.connect()
        handle = submitter.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)
        joiner.submit(b"f", b"u")

        joiner.close()

        assert worker_for(wire).ask(Command.GRAB_JOB)[1] == handle

    def test_foreground_job_that_a_background_submission_joined(self, wire: Wire) -> None:
        client, other = wire.connect(), wire.connect()
        handle = client.submit(b"f", b"u")
        other.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)

        client.close()

        assert worker_for(wire).ask(Command.GRAB_JOB)[1] == handle

    @pytest.mark.parametrize("is_running", [False, True])
    def test_same_unique_after_cancel_job(self, wire: Wire, is_running: bool) -> None:
        client, worker = wire.connect(), worker_for(wire)
        cancelled = client.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)
        if is_running:
            worker.ask(Command.GRAB_JOB)
        client.say(f"cancel job {cancelled.decode()}")

        handle = client.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)

        assert handle != cancelled
        assert worker.ask(Command.GRAB_JOB)[1] == handle
        assert worker.ask(Command.GRAB_JOB) == NO_JOB

    def test_unique_of_exactly_64_bytes(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        unique = b"u" * 64

        handle = client.submit(b"f", unique, b"w")

        assert client.submit(b"f", unique) == handle
        assert worker.ask(Command.GRAB_JOB_UNIQ) == (Command.JOB_ASSIGN_UNIQ, handle, b"f", unique, b"w")

    def test_pre_sleep_with_an_abandoned_job_beside_a_healthy_one(self, wire: Wire) -> None:
        gone, client, worker = wire.connect(), wire.connect(), worker_for(wire, b"healthy", b"abandoned")
        gone.submit(b"abandoned")
        healthy = client.submit(b"healthy", how=Command.SUBMIT_JOB_HIGH)
        gone.close()

        worker.send(Command.PRE_SLEEP)

        assert worker.packets() == [NOOP]
        assert worker.ask(Command.GRAB_JOB)[1] == healthy
        assert worker.ask(Command.GRAB_JOB) == NO_JOB

    def test_abandoned_jobs_are_gone_at_once(self, wire: Wire) -> None:
        gone, client = wire.connect(), wire.connect()
        client.say("create function f")
        client.say("maxqueue f 1")
        handle = gone.submit(b"f")
        gone.close()

        assert client.say("status") == "f\t0\t0\t0\n.\n"
        assert client.ask(Command.GET_STATUS, handle)[2] == b"0"
        assert not wire.server.has_work
        assert client.submit(b"f")


class TestWireOddities:
    """7.3: oddities that clients and workers depend on or suffer from."""

    def test_work_fail_is_exactly_the_handle(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        worker.send(Command.WORK_FAIL, handle + b"\0")

        assert client.packets() == [(Command.WORK_FAIL, handle)]

    def test_an_exception_turned_into_a_failure_is_exactly_the_handle(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        worker.send(Command.WORK_EXCEPTION, handle, b"boom")

        assert client.packets() == [(Command.WORK_FAIL, handle)]

    @pytest.mark.parametrize("ending", [b"", b"\0"])
    def test_work_fail_behind_an_exception_is_swallowed_once(self, wire: Wire, ending: bytes) -> None:
        client, worker = wire.connect(), worker_for(wire)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        worker.send(Command.WORK_EXCEPTION, handle, b"boom")

        worker.send(Command.WORK_FAIL, handle + ending)
        assert worker.ask(Command.GRAB_JOB) == NO_JOB

        assert worker.ask(Command.WORK_FAIL, handle)[:2] == (Command.ERROR, b"JOB_NOT_FOUND")
        assert len(client.packets()) == 1

    @pytest.mark.parametrize("is_running_again", [False, True])
    def test_the_first_result_of_a_job_that_timed_out_counts(self, wire: Wire, is_running_again: bool) -> None:
        """The C server runs it again for ever, and drops every result (GearmanManager with a timeout of 1)."""
        client, worker, other = wire.connect(), wire.connect(), worker_for(wire)
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        wire.advance(1)
        if is_running_again:
            assert other.ask(Command.GRAB_JOB)[1] == handle

        worker.send(Command.WORK_DATA, handle, b"late")
        worker.send(Command.WORK_STATUS, handle, b"1", b"1")
        worker.send(Command.WORK_COMPLETE, handle, b"late")

        assert worker.packets() == []
        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"late")]
        if is_running_again:
            other.send(Command.WORK_COMPLETE, handle, b"later")
        assert other.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        assert client.packets() == []
        assert not wire.server.has_work

    @pytest.mark.parametrize("last_word", [Command.WORK_FAIL, Command.WORK_EXCEPTION])
    def test_a_late_failure_of_a_job_that_timed_out_is_ignored(self, wire: Wire, last_word: Command) -> None:
        client, worker, other = wire.connect(), wire.connect(), worker_for(wire)
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        wire.advance(1)

        worker.send(last_word, handle, *([b"x"] if last_word is Command.WORK_EXCEPTION else []))

        assert (worker.packets(), client.packets()) == ([], [])
        assert other.ask(Command.GRAB_JOB)[1] == handle

    @pytest.mark.parametrize("functions", [1, 3, 20])
    def test_a_job_does_not_go_back_to_a_worker_that_may_still_run_it(self, wire: Wire, functions: int) -> None:
        client, worker = wire.connect(), wire.connect()
        for number in range(functions - 1):
            worker.send(Command.CAN_DO, b"g%d" % number)
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        wire.advance(1)

        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == []
        following = client.submit(b"f")
        assert worker.packets() == [(Command.NOOP,)]
        assert worker.ask(Command.GRAB_JOB)[1] == following
        worker.send(Command.WORK_FAIL, handle)
        assert worker.ask(Command.GRAB_JOB)[1] == handle

    def test_results_of_a_cancelled_job_are_swallowed(self, wire: Wire) -> None:
        client, admin, worker = wire.connect(), wire.connect(), worker_for(wire)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        admin.say(f"cancel job {handle.decode()}")
        assert client.packets() == [(Command.WORK_FAIL, handle)]

        worker.send(Command.WORK_COMPLETE, handle, b"late")

        assert worker.packets() == []
        assert client.packets() == []

    def test_handles_that_were_never_assigned_are_an_error(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        handle = client.submit(b"f")

        assert worker.ask(Command.WORK_COMPLETE, handle, b"")[:2] == (Command.ERROR, b"JOB_NOT_FOUND")

    def test_the_handles_kept_for_late_results_are_limited(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        handles = [client.submit(b"f") for _ in range(1025)]
        for handle in handles:
            worker.ask(Command.GRAB_JOB)
            worker.send(Command.WORK_EXCEPTION, handle, b"")

        assert worker.ask(Command.WORK_FAIL, handles[0])[0] is Command.ERROR
        worker.send(Command.WORK_FAIL, handles[1])
        assert worker.packets() == []

    def test_answers_stay_in_the_order_of_the_submissions(self, wire: Wire) -> None:
        """An ERROR names no job, so clients match by order."""
        client = wire.connect()
        client.say("create function full")
        client.say("maxqueue full 1")
        client.submit(b"full")

        for function in (b"a", b"full", b"b"):
            client.send(Command.SUBMIT_JOB, function, b"", b"")

        kinds = [packet[0] for packet in client.packets()]
        assert kinds == [Command.JOB_CREATED, Command.ERROR, Command.JOB_CREATED]

    def test_names_with_tabs_and_newlines_do_not_break_the_listing(self, wire: Wire) -> None:
        worker = worker_for(wire, b"a\tb\nc", b"two words")

        assert worker.say("status") == "a\\x09b\\x0ac\t0\t0\t1\ntwo words\t0\t0\t1\n.\n"
        assert worker.say("prioritystatus") == "a\\x09b\\x0ac\t0\t0\t0\t1\ntwo words\t0\t0\t0\t1\n.\n"
        assert worker.say("workers") == "0 127.0.0.1 - : two\\x20words a\\x09b\\x0ac\n.\n"

    def test_ipv6_peers_are_shown_in_full(self, wire: Wire) -> None:
        assert wire.connect("fe80::1234:5678:9abc:def0").say("workers") == "0 fe80::1234:5678:9abc:def0 - :\n.\n"


class TestTimers:
    """7.4: timers and bookkeeping."""

    def test_a_job_that_ended_in_time_has_no_deadline_left(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        worker.send(Command.WORK_COMPLETE, handle, b"")

        assert wire.advance(5) is None
        assert client.say("status").endswith("f\t0\t0\t1\n.\n")

    def test_each_job_has_its_own_deadline(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"2000")
        worker.send(Command.CAN_DO_TIMEOUT, b"g", b"5000")
        first = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        second = client.submit(b"g")
        worker.ask(Command.GRAB_JOB)

        wire.advance(2)
        assert client.ask(Command.GET_STATUS, first)[3] == b"0"
        assert client.ask(Command.GET_STATUS, second)[3] == b"1"
        wire.advance(3)
        assert client.ask(Command.GET_STATUS, second)[3] == b"0"

    def test_pre_sleep_keeps_the_deadline_of_a_running_job(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        worker.send(Command.PRE_SLEEP)

        wire.advance(1)

        assert client.ask(Command.GET_STATUS, handle)[3] == b"0"

    def test_drop_function_with_waiting_jobs_is_refused(self, wire: Wire) -> None:
        client = wire.connect()
        client.submit(b"f", how=Command.SUBMIT_JOB_BG)

        assert client.say("drop function f").startswith("ERR there are still")
        assert client.say("status") == "f\t1\t0\t0\n.\n"

    def test_repeated_can_do_counts_once(self, wire: Wire) -> None:
        worker = worker_for(wire, b"f", b"f", b"f")

        assert worker.say("status") == "f\t0\t0\t1\n.\n"
        assert worker.say("workers") == "0 127.0.0.1 - : f\n.\n"

    def test_a_later_can_do_updates_the_limit(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        worker.send(Command.CAN_DO, b"f")
        client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        assert wire.advance(0) is None

    def test_noop_then_pre_sleep_then_a_new_job(self, wire: Wire) -> None:
        client, worker, other = wire.connect(), worker_for(wire), worker_for(wire)
        worker.send(Command.PRE_SLEEP)
        client.submit(b"f")
        assert worker.packets() == [NOOP]
        other.ask(Command.GRAB_JOB)
        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == []

        client.submit(b"f")

        assert worker.packets() == [NOOP]

    def test_can_do_while_asleep_wakes_for_waiting_jobs(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire, b"other")
        worker.send(Command.PRE_SLEEP)
        client.submit(b"f")
        assert worker.packets() == []

        worker.send(Command.CAN_DO, b"f")

        assert worker.packets() == [NOOP]

    @pytest.mark.parametrize("stop", [(Command.CANT_DO, b"f"), (Command.RESET_ABILITIES,)])
    def test_taking_a_function_back_lets_the_running_job_finish(
        self, wire: Wire, stop: tuple[Command, *tuple[bytes, ...]]
    ) -> None:
        client, worker, other = wire.connect(), worker_for(wire), worker_for(wire)
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        worker.send(*stop)
        assert other.ask(Command.GRAB_JOB) == NO_JOB
        worker.send(Command.WORK_COMPLETE, handle, b"done")

        assert worker.packets() == []
        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"done")]

    def test_an_epoch_job_wakes_a_sleeper_when_it_is_due(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        worker.send(Command.PRE_SLEEP)
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % (wire.clock.time() + 10), b"")
        assert worker.packets() == []

        wire.advance(10)

        assert worker.packets() == [NOOP]

    def test_an_epoch_job_neither_holds_up_others_nor_keeps_workers_awake(self, wire: Wire) -> None:
        client, worker = wire.connect(), worker_for(wire)
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % (wire.clock.time() + 10), b"")
        client.packets()
        low = client.submit(b"f", how=Command.SUBMIT_JOB_LOW)

        assert worker.ask(Command.GRAB_JOB)[1] == low
        worker.send(Command.WORK_COMPLETE, low, b"")
        assert worker.ask(Command.GRAB_JOB) == NO_JOB
        worker.send(Command.PRE_SLEEP)
        wire.advance(9)

        assert worker.packets() == []

    def test_a_requeued_job_goes_to_the_front_and_keeps_its_retries(self, wire: Wire) -> None:
        client, lost = wire.connect(), worker_for(wire)
        first = client.submit(b"f")
        client.submit(b"f")
        lost.ask(Command.GRAB_JOB)

        lost.close()

        assert client.say("show jobs").split("\n")[0] == f"{first.decode()}\t1\t0\t0"
        assert worker_for(wire).ask(Command.GRAB_JOB)[1] == first


class TestTextCommands:
    """7.6: the text protocol."""

    def test_create_function_with_a_bare_newline_keeps_the_whole_name(self, wire: Wire) -> None:
        peer = wire.connect()
        peer.send_bytes(b"create function reverse\n")

        assert peer.take_bytes() == b"OK\r\n"
        assert peer.say("status") == "reverse\t0\t0\t0\n.\n"

    def test_drop_function_is_case_sensitive(self, wire: Wire) -> None:
        peer = wire.connect()
        peer.say("create function F")

        assert peer.say("drop function f") == "ERR function not found\r\n"

    def test_a_sixth_word_is_an_error_and_not_the_end(self, wire: Wire) -> None:
        peer = wire.connect()

        assert peer.say("maxqueue f 1 2 3 4").startswith("ERR INVALID_ARGUMENTS")
        assert not peer.is_closed
        assert peer.say("status and many more words here") == ".\n"

    def test_an_unknown_command_is_separated_from_the_message(self, wire: Wire) -> None:
        assert wire.connect().say("foo") == "ERR UNKNOWN_COMMAND Unknown+server+command+foo\r\n"


def test_an_unresponsive_worker_does_not_delay_jobs() -> None:
    """With wake-ups that are never answered, jobs still go to the workers that grab."""
    wire = Wire(JobServerOptions(rearm_after=0.5))
    client = wire.connect()
    dead = [worker_for(wire) for _ in range(3)]
    for worker in dead:
        worker.send(Command.PRE_SLEEP)
    handles = [client.submit(b"f") for _ in range(3)]
    wire.advance(0.5)
    wire.advance(0.5)

    alive = worker_for(wire)

    assert [alive.ask(Command.GRAB_JOB)[1] for _ in range(3)] == handles


def test_input_in_pieces_is_handled_like_input_at_once(wire: Wire) -> None:
    """A connection that is fed byte by byte behaves like one that is fed at once."""
    whole, pieces = wire.connect(), wire.connect()
    conversation = request(Command.ECHO_REQ, b"a") + b"status\r\n" + request(Command.OPTION_REQ, b"exceptions")

    whole.send_bytes(conversation)
    for byte in conversation:
        pieces.send_bytes(bytes([byte]))

    assert whole.take_bytes() == pieces.take_bytes()
