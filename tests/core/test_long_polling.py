# SPDX-License-Identifier: MIT
"""Long polling: grabs that are held until there is a job, and jobs pushed to workers that may be unresponsive."""

import logging

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.wakeups import LONG_POLL_TIME
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer

NOOP = (Command.NOOP,)
NO_JOB = (Command.NO_JOB,)
REARM = JobServerOptions().rearm_after


def asking(wire: Wire, *functions: bytes, timeout: int = 0) -> WirePeer:
    """Return a worker whose grab is not answered."""
    worker = wire.connect()
    assert worker.ask(Command.OPTION_REQ, b"long-poll") == (Command.OPTION_RES, b"long-poll")
    for function in functions or (b"f",):
        worker.send(Command.CAN_DO_TIMEOUT, function, b"%d" % (timeout * 1000))
    worker.send(Command.GRAB_JOB_ALL)
    assert worker.packets() == []
    return worker


def asleep(wire: Wire, function: bytes = b"f") -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, function)
    worker.send(Command.PRE_SLEEP)
    return worker


def handed(handle: bytes, function: bytes = b"f") -> list[tuple[object, ...]]:
    return [NOOP, (Command.JOB_ASSIGN_UNIQ, handle, function, b"", b"")]


class TestAHeldGrab:
    def test_is_answered_by_the_job_that_comes(self, wire: Wire) -> None:
        worker, client = asking(wire), wire.connect()

        handle = client.submit(b"f")

        assert worker.packets() == handed(handle)

    def test_counts_as_a_wake_up(self, wire: Wire) -> None:
        client = wire.connect()
        for _ in range(3):
            asking(wire)
            client.submit(b"f")

        assert "wakeups\t3\n" in client.say("show metrics")

    def test_that_was_answered_is_no_reason_to_rest_earlier(self, wire: Wire) -> None:
        """A worker rests when it declined two wake-ups; a job that was pushed to it is none."""
        worker, client = asking(wire), wire.connect()
        client.submit(b"f")
        client.submit(b"f")
        worker.packets()
        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == [NOOP]

        worker.send(Command.PRE_SLEEP)

        assert worker.packets() == [NOOP]

    def test_brings_a_reduce_job_whole(self, wire: Wire) -> None:
        worker, client = asking(wire), wire.connect()

        client.send(Command.SUBMIT_REDUCE_JOB, b"f", b"u", b"r", b"", b"w")

        assert worker.packets() == [NOOP, (Command.JOB_ASSIGN_ALL, b"H:localhost:1", b"f", b"u", b"r", b"w")]

    def test_is_answered_once_all_jobs_of_the_turn_are_in_line(self, wire: Wire) -> None:
        """Of two functions, the one that was registered last comes first, also if the job of the other came back."""
        client, busy = wire.connect(), wire.connect()
        client.submit(b"f")
        busy.send(Command.CAN_DO_TIMEOUT, b"f", b"2000")
        busy.send(Command.GRAB_JOB)
        client.send(Command.SUBMIT_JOB_EPOCH, b"g", b"", b"%d" % (wire.clock.time() + 2), b"")
        [(_, delayed)] = client.packets()
        assert isinstance(delayed, bytes)
        wire.advance(1.5)
        worker = asking(wire, b"f", b"g")

        wire.advance(0.5)

        assert worker.packets() == handed(delayed, b"g")

    def test_is_answered_after_a_while_when_none_comes(self, wire: Wire) -> None:
        worker = asking(wire)
        assert wire.advance(LONG_POLL_TIME * 0.75) == pytest.approx(LONG_POLL_TIME * 0.25)
        assert worker.packets() == []

        wire.advance(LONG_POLL_TIME * 0.25)

        assert worker.packets() == [NO_JOB]

    def test_needs_the_option_and_a_function(self, wire: Wire) -> None:
        plain, useless = wire.connect(), wire.connect()
        plain.send(Command.CAN_DO, b"f")
        useless.ask(Command.OPTION_REQ, b"long-poll")

        assert plain.ask(Command.GRAB_JOB_ALL) == NO_JOB
        assert useless.ask(Command.GRAB_JOB_ALL) == NO_JOB

    @pytest.mark.parametrize("grab", [Command.GRAB_JOB, Command.GRAB_JOB_UNIQ])
    def test_is_no_grab_of_the_older_types(self, wire: Wire, grab: Command) -> None:
        worker = asking(wire)

        worker.send(grab)

        assert worker.packets() == [NO_JOB, NO_JOB]

    def test_comes_before_sleeping_workers(self, wire: Wire) -> None:
        sleeper, first, second, client = asleep(wire), asking(wire), asking(wire), wire.connect()

        handles = [client.submit(b"f"), client.submit(b"f"), client.submit(b"f")]

        assert second.packets() == handed(handles[0])
        assert first.packets() == handed(handles[1])
        assert sleeper.packets() == [NOOP]

    def test_is_answered_when_a_job_comes_back(self, wire: Wire) -> None:
        busy, client = wire.connect(), wire.connect()
        busy.send(Command.CAN_DO, b"f")
        handle = client.submit(b"f")
        busy.ask(Command.GRAB_JOB)
        worker = asking(wire)

        busy.close()

        assert worker.packets() == handed(handle)

    def test_is_answered_when_the_delay_of_a_job_ends(self, wire: Wire) -> None:
        client = wire.connect()
        when = int(wire.clock.time()) + 1
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % when, b"")
        wire.advance(LONG_POLL_TIME / 2)
        worker = asking(wire, timeout=30)

        due = wire.advance(when - wire.clock.time())

        assert worker.packets() == handed(b"H:localhost:1")
        assert due is not None
        assert due <= REARM

    def test_brings_the_job_of_a_function_that_is_registered_later(self, wire: Wire) -> None:
        worker, client = asking(wire), wire.connect()
        handle = client.submit(b"g")

        worker.send(Command.CAN_DO, b"g")

        assert worker.packets() == handed(handle, b"g")

    def test_is_answered_before_a_grab_behind_the_submission(self, wire: Wire) -> None:
        worker, both = asking(wire), wire.connect()
        both.send(Command.CAN_DO, b"f")

        both.send_bytes(b"".join(_packets((Command.SUBMIT_JOB, b"f", b"", b""), (Command.GRAB_JOB,))))

        assert both.packets() == [(Command.JOB_CREATED, b"H:localhost:1"), NO_JOB]
        assert worker.packets() == handed(b"H:localhost:1")

    def test_all_are_woken_where_the_server_does_so_and_one_gets_the_job(self) -> None:
        wire = Wire(JobServerOptions(worker_wakeup=0))
        workers, client = [asking(wire), asking(wire)], wire.connect()

        client.submit(b"f")

        assert [len(worker.packets()) for worker in workers] == [0, 2]
        client.submit(b"f")
        assert [len(worker.packets()) for worker in workers] == [2, 0]


class TestAHoldEnds:
    @pytest.mark.parametrize(
        ("command", "arguments"),
        [(Command.PRE_SLEEP, ()), (Command.CANT_DO, (b"f",)), (Command.RESET_ABILITIES, ())],
    )
    def test_with_no_job(self, wire: Wire, command: Command, arguments: tuple[bytes, ...]) -> None:
        worker = asking(wire)

        worker.send(command, *arguments)

        assert worker.packets() == [NO_JOB]
        wire.advance(LONG_POLL_TIME)
        assert worker.packets() == []

    def test_with_the_next_grab_which_is_held_instead(self, wire: Wire) -> None:
        worker = asking(wire)
        wire.advance(LONG_POLL_TIME / 2)

        worker.send(Command.GRAB_JOB_ALL)

        assert worker.packets() == [NO_JOB]
        wire.advance(LONG_POLL_TIME / 2)
        assert worker.packets() == []
        wire.advance(LONG_POLL_TIME / 2)
        assert worker.packets() == [NO_JOB]

    def test_not_while_a_function_is_left(self, wire: Wire) -> None:
        worker, client = asking(wire, b"f", b"g"), wire.connect()

        worker.send(Command.CANT_DO, b"f")
        assert worker.packets() == []

        handle = client.submit(b"g")
        assert worker.packets() == handed(handle, b"g")

    def test_when_the_worker_disconnects(self, wire: Wire) -> None:
        worker, client = asking(wire), wire.connect()

        worker.close()

        assert worker.packets() == []
        client.submit(b"f")
        assert worker.packets() == []
        assert wire.advance(LONG_POLL_TIME) is None

    def test_with_a_job_that_comes_before_the_packet(self, wire: Wire) -> None:
        """A peer that is client and worker: its packets count in their order."""
        both = asking(wire)

        both.send_bytes(b"".join(_packets((Command.SUBMIT_JOB, b"f", b"", b""), (Command.CANT_DO, b"f"))))

        assert [packet[0] for packet in both.packets()] == [
            Command.JOB_CREATED,
            Command.NOOP,
            Command.JOB_ASSIGN_UNIQ,
        ]


class TestAPushedJob:
    def test_is_taken_back_from_a_worker_that_sends_nothing(self, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
        deaf, sleepers, client = asking(wire), [asleep(wire), asleep(wire)], wire.connect()
        handle = client.submit(b"f")

        wire.advance(REARM * 0.99)
        assert [sleeper.packets() for sleeper in sleepers] == [[], []]
        with caplog.at_level(logging.WARNING):
            wire.advance(REARM * 0.01)

        assert [sleeper.packets() for sleeper in sleepers] == [[NOOP], [NOOP]]
        assert wire.server.unanswered_wakeups == 1
        assert "did not take the job" in caplog.text
        assert wire.connect().say("show jobs").startswith(f"{handle.decode()}\t0\t")  # it costs no retry
        assert sleepers[0].ask(Command.GRAB_JOB)[1] == handle
        deaf.packets()
        deaf.send(Command.WORK_COMPLETE, handle, b"late")
        assert deaf.packets() == []
        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"late")]

    def test_is_pushed_to_another_worker_with_a_held_grab(self, wire: Wire) -> None:
        other, _, client = asking(wire), asking(wire), wire.connect()
        handle = client.submit(b"f")
        wire.advance(LONG_POLL_TIME / 2)
        other.send(Command.GRAB_JOB_ALL)
        other.packets()

        wire.advance(REARM / 2)

        assert other.packets() == handed(handle)

    @pytest.mark.parametrize(
        ("command", "arguments"), [(Command.ALL_YOURS, ()), (Command.WORK_STATUS, (b"H:localhost:1", b"1", b"2"))]
    )
    def test_stays_with_a_worker_that_sends_anything(
        self, wire: Wire, command: Command, arguments: tuple[bytes, ...]
    ) -> None:
        worker, sleeper, client = asking(wire), asleep(wire), wire.connect()
        handle = client.submit(b"f")
        worker.packets()

        worker.send(command, *arguments)
        assert worker.packets() == []
        wire.advance(REARM)

        assert sleeper.packets() == []
        client.packets()
        worker.send(Command.WORK_COMPLETE, handle, b"r")
        assert client.packets() == [(Command.WORK_COMPLETE, handle, b"r")]

    def test_counts_as_a_loss_of_its_worker_when_that_leaves(self, wire: Wire) -> None:
        worker, client = asking(wire), wire.connect()
        handle = client.submit(b"f")

        worker.close()

        assert wire.connect().say("show jobs").startswith(f"{handle.decode()}\t1\t")

    def test_may_have_been_cancelled_before_it_is_taken_back(self, wire: Wire) -> None:
        _, sleeper, client = asking(wire), asleep(wire), wire.connect()
        handle = client.submit(b"f")
        wire.connect().say(f"cancel job {handle.decode()}")

        wire.advance(REARM)

        assert sleeper.packets() == []
        assert not wire.server.has_work

    def test_is_dropped_when_its_client_disconnects(self, wire: Wire) -> None:
        _, client = asking(wire), wire.connect()
        client.submit(b"f")
        client.close()

        wire.advance(REARM)

        assert not wire.server.has_work

    def test_has_its_own_timeout(self, wire: Wire) -> None:
        worker, client = asking(wire, timeout=5), wire.connect()
        handle = client.submit(b"f")
        worker.packets()
        worker.send(Command.ALL_YOURS)

        wire.advance(4.9)
        assert wire.connect().say("show jobs").startswith(f"{handle.decode()}\t0\t")
        wire.advance(0.1)

        assert wire.connect().say("show jobs").startswith(f"{handle.decode()}\t1\t")


def test_all_yours_is_an_error_without_long_polling(wire: Wire) -> None:
    worker = wire.connect()

    assert worker.ask(Command.ALL_YOURS)[:2] == (Command.ERROR, b"INVALID_COMMAND")


def _packets(*packets: tuple[Command, *tuple[bytes, ...]]) -> list[bytes]:
    return [request(command, *arguments) for command, *arguments in packets]
