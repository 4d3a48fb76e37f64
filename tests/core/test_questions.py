# SPDX-License-Identifier: MIT
"""Status queries, queue limits, epoch jobs, options and echoes (protocol 1.14-1.18)."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.levels import NOTICE
from geartrain.protocol import ARGUMENTS, Command, request
from geartrain.testing.wire import Wire, WirePeer

FULL = (Command.ERROR, b"QUEUE_ERROR", b"Job queue is full")


class TestStatusByHandle:
    def test_unknown(self, wire: Wire) -> None:
        reply = wire.connect().ask(Command.GET_STATUS, b"H:unknown:1")

        assert reply == (Command.STATUS_RES, b"H:unknown:1", b"0", b"0", b"0", b"0")

    def test_waiting_then_running_then_forgotten(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        handle = client.submit(b"f", how=Command.SUBMIT_JOB_BG)

        assert client.ask(Command.GET_STATUS, handle)[2:] == (b"1", b"0", b"0", b"0")
        worker.ask(Command.GRAB_JOB)
        assert client.ask(Command.GET_STATUS, handle)[2:] == (b"1", b"1", b"0", b"0")
        worker.send(Command.WORK_COMPLETE, handle, b"")
        assert client.ask(Command.GET_STATUS, handle)[2:] == (b"0", b"0", b"0", b"0")

    def test_a_trailing_nul_is_dropped(self, wire: Wire) -> None:
        client = wire.connect()
        handle = client.submit(b"f")

        assert client.ask(Command.GET_STATUS, handle + b"\0")[1:3] == (handle, b"1")

    def test_a_handle_of_any_length_is_answered(self, wire: Wire) -> None:
        assert wire.connect().ask(Command.GET_STATUS, b"x" * 9000)[2] == b"0"


class TestStatusByUnique:
    def test_the_answer_names_the_unique_and_counts_the_waiting_clients(self, wire: Wire) -> None:
        client, other, worker = wire.connect(), wire.connect(), wire.connect()
        client.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)
        assert client.ask(Command.GET_STATUS_UNIQUE, b"u")[1:] == (b"u", b"1", b"0", b"0", b"0", b"0")

        handle = client.submit(b"f", b"u")
        client.submit(b"f", b"u")
        other.submit(b"f", b"u")
        worker.send(Command.CAN_DO, b"f")
        worker.ask(Command.GRAB_JOB)
        worker.send(Command.WORK_STATUS, handle, b"1", b"4")

        assert wire.connect().ask(Command.GET_STATUS_UNIQUE, b"u\0")[1:] == (b"u", b"1", b"1", b"1", b"4", b"3")

    @pytest.mark.parametrize("unique", [b"", b"-", b"never heard of"])
    def test_unknown(self, wire: Wire, unique: bytes) -> None:
        client = wire.connect()
        client.submit(b"f", b"", b"w")
        client.submit(b"f", b"-", b"w")

        reply = client.ask(Command.GET_STATUS_UNIQUE, unique)

        assert reply == (Command.STATUS_RES_UNIQUE, unique, b"0", b"0", b"0", b"0", b"0")

    def test_the_unique_may_be_of_any_function(self, wire: Wire) -> None:
        client = wire.connect()
        for function in (b"f", b"g"):
            client.submit(function, b"u")

        assert client.ask(Command.GET_STATUS_UNIQUE, b"u")[2] == b"1"


class TestQueueLimits:
    def test_a_full_queue_refuses_new_jobs_only(self, wire: Wire) -> None:
        client = wire.connect()
        client.say("create function f")
        assert client.say("maxqueue f 2") == "OK\r\n"
        handle = client.submit(b"f", b"u")
        client.submit(b"f")

        assert client.ask(Command.SUBMIT_JOB, b"f", b"", b"") == FULL
        assert client.ask(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"9999999999", b"") == FULL
        assert client.ask(Command.SUBMIT_REDUCE_JOB, b"f", b"", b"r", b"", b"") == FULL
        assert client.submit(b"f", b"u") == handle
        assert client.submit(b"another function")

    def test_each_priority_has_its_own_limit_on_the_total(self, wire: Wire) -> None:
        client = wire.connect()
        client.say("create function f")
        client.say("maxqueue f 3 2 1")
        how = {"high": Command.SUBMIT_JOB_HIGH, "normal": Command.SUBMIT_JOB, "low": Command.SUBMIT_JOB_LOW}

        client.submit(b"f")
        assert client.ask(how["low"], b"f", b"", b"") == FULL
        client.submit(b"f")
        assert client.ask(how["normal"], b"f", b"", b"") == FULL
        client.submit(b"f", how=how["high"])
        assert client.ask(how["high"], b"f", b"", b"") == FULL

    def test_a_priority_whose_limit_is_missing_has_none(self, wire: Wire) -> None:
        client = wire.connect()
        client.say("create function f")
        client.say("maxqueue f 1 1")
        client.submit(b"f")

        assert client.ask(Command.SUBMIT_JOB_HIGH, b"f", b"", b"") == FULL
        assert client.ask(Command.SUBMIT_JOB, b"f", b"", b"") == FULL
        assert client.submit(b"f", how=Command.SUBMIT_JOB_LOW)

    @pytest.mark.parametrize("numbers", ["", " 0", " -1", " many", " 0 0", " 5 0"])
    def test_no_limit(self, wire: Wire, numbers: str) -> None:
        client = wire.connect()
        client.say("create function f")
        client.say("maxqueue f 1")
        client.submit(b"f")

        assert client.say("maxqueue f" + numbers) == "OK\r\n"

        assert client.submit(b"f")

    @pytest.mark.parametrize("number", ["9" * 5000, "0" * 5000 + "2147483648"])
    def test_a_limit_of_thousands_of_digits_is_a_high_one(self, wire: Wire, number: str) -> None:
        """Python refuses to read such a number."""
        client = wire.connect()
        client.say("create function f")

        assert client.say(f"maxqueue f {number}") == "OK\r\n"

        assert client.submit(b"f")

    @pytest.mark.parametrize("number", ["1", "0001", "0" * 5000 + "1", "1.5", "1x"])
    def test_characters_after_the_digits_of_a_limit_are_ignored(self, wire: Wire, number: str) -> None:
        client = wire.connect()
        client.say("create function f")
        client.say(f"maxqueue f {number}")
        client.submit(b"f")

        assert client.ask(Command.SUBMIT_JOB, b"f", b"", b"") == FULL

    def test_running_jobs_count(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.say("maxqueue f 1")
        handle = client.submit(b"f")
        worker.ask(Command.GRAB_JOB)

        assert client.ask(Command.SUBMIT_JOB, b"f", b"", b"") == FULL
        worker.send(Command.WORK_COMPLETE, handle, b"")
        client.packets()
        assert client.submit(b"f")

    def test_an_unknown_function_is_not_created(self, wire: Wire) -> None:
        client = wire.connect()

        assert client.say("maxqueue f 1") == "OK\r\n"
        assert client.say("status") == ".\n"


class TestEpochJobs:
    @staticmethod
    def submit_in(wire: Wire, client: WirePeer, seconds: float, unique: bytes = b"") -> bytes:
        when = b"%d" % (wire.clock.time() + seconds)
        reply = client.ask(Command.SUBMIT_JOB_EPOCH, b"f", unique, when, b"w")
        assert reply[0] is Command.JOB_CREATED
        assert isinstance(reply[1], bytes)
        return reply[1]

    def test_a_job_runs_when_it_is_due_and_not_before(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        handle = self.submit_in(wire, client, 60)

        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        worker.send(Command.PRE_SLEEP)
        wire.advance(59)
        assert worker.packets() == []
        wire.advance(1)

        assert worker.packets() == [(Command.NOOP,)]
        assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", b"w")

    def test_jobs_become_due_in_the_order_of_their_times(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        late, early = self.submit_in(wire, client, 20), self.submit_in(wire, client, 10)

        wire.advance(30)

        assert [worker.ask(Command.GRAB_JOB)[1] for _ in range(2)] == [early, late]

    @pytest.mark.parametrize("epoch", [b"", b"0", b"-5", b"soon", b"1.5"])
    def test_no_time_is_now(self, wire: Wire, epoch: bytes) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", epoch, b"")

        assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN

    def test_it_blocks_no_other_job(self, wire: Wire) -> None:
        """A future job stands in the way of lower priorities in gearmand 1.1 (protocol 1.16)."""
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        self.submit_in(wire, client, 60)
        low = client.submit(b"f", how=Command.SUBMIT_JOB_LOW)

        assert worker.ask(Command.GRAB_JOB)[1] == low

    def test_a_normal_submission_joins_it_and_waits_until_then(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        handle = self.submit_in(wire, client, 60, b"u")

        assert client.submit(b"f", b"u") == handle
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        wire.advance(60)
        worker.ask(Command.GRAB_JOB)
        worker.send(Command.WORK_COMPLETE, handle, b"done")
        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"done")]

    def test_it_counts_but_does_not_wait(self, wire: Wire) -> None:
        client = wire.connect()
        handle = self.submit_in(wire, client, 60)

        assert client.say("status") == "f\t1\t0\t0\n.\n"
        assert client.say("prioritystatus") == "f\t0\t0\t0\t0\n.\n"
        assert client.ask(Command.GET_STATUS, handle)[2] == b"1"

    def test_it_can_be_cancelled(self, wire: Wire) -> None:
        client = wire.connect()
        handle = self.submit_in(wire, client, 60)

        assert client.say(f"cancel job {handle.decode()}") == "OK\r\n"
        assert client.say("status") == "f\t0\t0\t0\n.\n"
        assert wire.advance(60) is None

    def test_a_jump_of_the_wall_clock_is_noticed_within_a_second(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        self.submit_in(wire, client, 3600)
        assert wire.advance(0) == 1.0

        wire.clock.offset += 3600
        wire.advance(1)

        assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN

    def submit_exactly(self, client: WirePeer, option: bytes, epoch: bytes = b"1", unique: bytes = b"") -> bytes:
        """Submit a delayed job with the option of Geartrain's clients, and return its handle."""
        assert client.ask(Command.OPTION_REQ, option) == (Command.OPTION_RES, option)
        reply = client.ask(Command.SUBMIT_JOB_EPOCH, b"f", unique, epoch, b"w")
        assert reply[0] is Command.JOB_CREATED
        assert isinstance(reply[1], bytes)
        return reply[1]

    def test_an_option_delays_the_next_job_by_less_than_a_second(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        handle = self.submit_exactly(client, b"delayed-job=+250,normal", b"2000000000")

        assert wire.advance(0) == pytest.approx(0.25)
        wire.advance(0.249)
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        wire.advance(0.002)

        assert worker.ask(Command.GRAB_JOB) == (Command.JOB_ASSIGN, handle, b"f", b"w")

    def test_an_option_sets_the_millisecond_of_the_next_job(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        at = int(wire.clock.time() * 1000) + 1_500
        self.submit_exactly(client, b"delayed-job=%d,normal" % at, b"2000000000")

        wire.advance(1.499)
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        wire.advance(0.002)

        assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN

    def test_an_option_sets_the_priority_of_the_next_job_only(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        low = self.submit_exactly(client, b"delayed-job=+50,low")
        normal = client.ask(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"1", b"w")[1]
        high = self.submit_exactly(client, b"delayed-job=+100,high")

        wire.advance(1)

        assert [worker.ask(Command.GRAB_JOB)[1] for _ in range(3)] == [high, normal, low]

    def test_a_job_that_joins_another_uses_up_the_option(self, wire: Wire) -> None:
        client = wire.connect()
        first = self.submit_exactly(client, b"delayed-job=+60000,low", unique=b"u")
        assert self.submit_exactly(client, b"delayed-job=+5000,high", unique=b"u") == first

        client.send(Command.SUBMIT_JOB_EPOCH, b"g", b"", b"1", b"w")

        assert client.say("show delayed").count("\n") == 2, "the job of g does not wait"

    @pytest.mark.parametrize(
        "option", [b"delayed-job=", b"delayed-job=5", b"delayed-job=5,urgent", b"delayed-job=-5,high", b"delayed-job"]
    )
    def test_an_option_in_another_form_is_unknown(self, wire: Wire, option: bytes) -> None:
        assert wire.connect().ask(Command.OPTION_REQ, option)[:2] == (Command.ERROR, b"UNKNOWN_OPTION")

    @pytest.mark.parametrize(("milliseconds", "second"), [(1_750, 2), (2_000, 2)])
    def test_the_log_has_the_second_rounded_up(
        self, caplog: pytest.LogCaptureFixture, milliseconds: int, second: int
    ) -> None:
        with caplog.at_level(NOTICE, "geartrain.jobs"):
            self.submit_exactly(Wire().connect(), b"delayed-job=%d,normal" % milliseconds)

        assert caplog.messages[0].startswith(f"accepted,f,,{second}: ")

    def test_a_time_beyond_64_bits_is_refused(self, wire: Wire) -> None:
        client = wire.connect()

        reply = client.ask(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"99999999999999999999", b"")

        assert reply[:2] == (Command.ERROR, b"INVALID_ARGUMENT")
        assert client.is_closed


class TestAnyPeer:
    @pytest.mark.parametrize("data", [b"", b"x", b"\0\n\0", b"x" * 100_000])
    def test_echo(self, wire: Wire, data: bytes) -> None:
        assert wire.connect().ask(Command.ECHO_REQ, data) == (Command.ECHO_RES, data)

    def test_an_unknown_option_is_refused(self, wire: Wire) -> None:
        reply = wire.connect().ask(Command.OPTION_REQ, b"colours")

        assert reply == (Command.ERROR, b"UNKNOWN_OPTION", b"Server does not recognize given option")

    @pytest.mark.parametrize(
        "command",
        [
            Command.UNUSED,
            Command.NOOP,
            Command.JOB_CREATED,
            Command.NO_JOB,
            Command.JOB_ASSIGN,
            Command.ECHO_RES,
            Command.ERROR,
            Command.STATUS_RES,
            Command.ALL_YOURS,
            Command.OPTION_RES,
            Command.JOB_ASSIGN_UNIQ,
            Command.JOB_ASSIGN_ALL,
            Command.STATUS_RES_UNIQUE,
        ],
        ids=lambda command: command.name,
    )
    def test_a_packet_that_is_not_for_a_server_is_an_error(self, wire: Wire, command: Command) -> None:
        peer = wire.connect()

        reply = peer.ask(command, *[b"1"] * len(ARGUMENTS[command]))

        assert reply == (Command.ERROR, b"INVALID_COMMAND", b"Command not expected")
        assert peer.ask(Command.ECHO_REQ, b"still there") == (Command.ECHO_RES, b"still there")

    def test_the_magic_of_a_response_is_an_error(self, wire: Wire) -> None:
        peer = wire.connect()
        data = request(Command.GRAB_JOB).replace(b"REQ", b"RES")

        peer.send_bytes(data)

        assert peer.packets() == [(Command.ERROR, b"INVALID_MAGIC", b"Request magic expected")]
        assert not peer.is_closed

    def test_an_invalid_packet_is_answered_and_the_connection_closed(self, wire: Wire) -> None:
        peer = wire.connect()

        peer.send_bytes(request(Command.ECHO_REQ, b"x") + b"\0BAD" + bytes(8) + request(Command.ECHO_REQ, b"y"))

        first, second = peer.packets()
        assert first == (Command.ECHO_RES, b"x")
        assert second[:2] == (Command.ERROR, b"INVALID_MAGIC")
        assert peer.is_closed

    def test_packets_after_an_invalid_one_are_ignored(self, wire: Wire) -> None:
        peer = wire.connect()
        refused = request(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"9" * 30, b"")

        peer.send_bytes(refused + request(Command.ECHO_REQ, b"y"))

        assert [packet[0] for packet in peer.packets()] == [Command.ERROR]


def test_take_dirty_returns_the_peers_with_data_to_send(wire: Wire) -> None:
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.PRE_SLEEP)
    assert wire.server.take_dirty() == []

    client.send(Command.SUBMIT_JOB, b"f", b"", b"")

    assert wire.server.take_dirty() == [worker.peer, client.peer]  # the one that is woken first
    assert wire.server.take_dirty() == []
    assert wire.server.has_work


def test_take_dirty_returns_each_peer_once(wire: Wire) -> None:
    client = wire.connect()
    client.peer.mark_dirty()
    client.peer.mark_dirty()

    assert wire.server.take_dirty() == [client.peer]


def test_take_dirty_keeps_the_order_of_peers_that_were_not_only_woken(wire: Wire) -> None:
    first, second, worker = wire.connect(), wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.PRE_SLEEP)
    worker.send(Command.ECHO_REQ, b"a reply that it is sent anyway")
    second.send(Command.ECHO_REQ, b"")
    first.send(Command.SUBMIT_JOB, b"f", b"", b"")

    assert wire.server.take_dirty() == [worker.peer, second.peer, first.peer]


def test_submissions_are_logged_at_level_notice(caplog: pytest.LogCaptureFixture) -> None:
    Wire(JobServerOptions()).connect().submit(b"f", b"early")
    with caplog.at_level(25, "geartrain.jobs"):
        client = Wire(JobServerOptions()).connect()
        client.submit(b"f", b"u\n")
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"17", b"")
        client.send(Command.SUBMIT_REDUCE_JOB, b"f", b"", b"r", b"", b"")

    listed = [message.partition(": ")[0] for message in caplog.messages]
    assert listed == ["accepted,f,u\\x0a,0", "accepted,f,,17", "accepted,f,,0,r"]
