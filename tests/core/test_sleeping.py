# SPDX-License-Identifier: MIT
"""Wake-ups of sleeping workers, and workers that do not answer them (protocol 1.11)."""

import pytest

from geartrain.core import JobServerOptions
from geartrain.protocol import Command
from geartrain.testing.wire import Wire, WirePeer

NOOP = (Command.NOOP,)
NO_JOB = (Command.NO_JOB,)
REARM = JobServerOptions().rearm_after


def sleepers(wire: Wire, count: int, *functions: bytes) -> list[WirePeer]:
    """Return that many workers, asleep."""
    workers = [wire.connect() for _ in range(count)]
    for worker in workers:
        for function in functions or (b"f",):
            worker.send(Command.CAN_DO, function)
        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == []
    return workers


def woken(workers: list[WirePeer]) -> list[int]:
    """Return the indexes of workers that were sent one NOOP, and check that the others were sent nothing."""
    received = [worker.packets() for worker in workers]
    assert all(packets in ([], [NOOP]) for packets in received)
    return [number for number, packets in enumerate(received) if packets]


class TestNoop:
    def test_pre_sleep_is_answered_only_when_there_is_work(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == []
        worker.ask(Command.GRAB_JOB)
        client.submit(b"f")

        worker.send(Command.PRE_SLEEP)

        assert worker.packets() == [NOOP]

    def test_a_sleeper_gets_one_noop_until_it_grabs(self, wire: Wire) -> None:
        client, (worker,) = wire.connect(), sleepers(wire, 1)

        for _ in range(3):
            client.submit(b"f")

        assert worker.packets() == [NOOP]

    def test_a_worker_that_is_awake_gets_none(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.submit(b"f")
        assert worker.packets() == []

        worker.send(Command.GRAB_JOB)
        worker.packets()
        client.submit(b"f")
        assert worker.packets() == []

    def test_a_sleeper_of_another_function_gets_none(self, wire: Wire) -> None:
        client, (worker,) = wire.connect(), sleepers(wire, 1, b"g")

        client.submit(b"f")

        assert worker.packets() == []

    def test_on_a_connection_that_is_both_job_created_precedes_the_noop(self, wire: Wire) -> None:
        both = wire.connect()
        both.send(Command.CAN_DO, b"f")
        both.send(Command.PRE_SLEEP)

        both.send(Command.SUBMIT_JOB, b"f", b"", b"")

        assert [packet[0] for packet in both.packets()] == [Command.JOB_CREATED, Command.NOOP]

    def test_a_coalesced_submission_wakes_no_worker(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 2)
        client.submit(b"f", b"u")
        assert woken(workers) == [0]

        client.submit(b"f", b"u")

        assert woken(workers) == []


class TestHowMany:
    def test_successive_jobs_wake_successive_workers(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 4)

        order = []
        for _ in range(4):
            client.submit(b"f")
            order.append(woken(workers))

        assert order == [[0], [1], [2], [3]]

    def test_worker_wakeup_two_wakes_pairs(self) -> None:
        wire = Wire(JobServerOptions(worker_wakeup=2))
        client, workers = wire.connect(), sleepers(wire, 4)

        client.submit(b"f")
        assert woken(workers) == [0, 1]
        client.submit(b"f")
        assert woken(workers) == [2, 3]

    def test_worker_wakeup_zero_wakes_all(self) -> None:
        wire = Wire(JobServerOptions(worker_wakeup=0))
        client, workers = wire.connect(), sleepers(wire, 4)

        client.submit(b"f")

        assert woken(workers) == [0, 1, 2, 3]

    def test_a_noop_promises_nothing(self) -> None:
        wire = Wire(JobServerOptions(worker_wakeup=0))
        client, workers = wire.connect(), sleepers(wire, 2)
        client.submit(b"f")
        assert woken(workers) == [0, 1]

        assert workers[1].ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN
        assert workers[0].ask(Command.GRAB_JOB) == NO_JOB

    def test_a_delayed_job_wakes_one_worker(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 3)
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"", b"%d" % (int(wire.clock.time()) + 5), b"")
        assert woken(workers) == []

        wire.advance(6)

        assert woken(workers) == [0]

    def test_the_job_of_a_worker_that_left_wakes_one_worker(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO, b"f")
        client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        workers = sleepers(wire, 3)

        worker.close()

        assert woken(workers) == [0]

    def test_a_job_that_took_too_long_wakes_one_worker(self, wire: Wire) -> None:
        client, worker = wire.connect(), wire.connect()
        worker.send(Command.CAN_DO_TIMEOUT, b"f", b"1000")
        client.submit(b"f")
        worker.ask(Command.GRAB_JOB)
        workers = sleepers(wire, 3)

        wire.advance(2)

        assert woken(workers) == [0]


class TestAWakeUpThatIsNotAnswered:
    def test_all_others_are_woken_after_the_rearm_time(self, wire: Wire) -> None:
        """A worker that dies silently after a NOOP stalls the C server's queue for ever (protocol 10)."""
        client, workers = wire.connect(), sleepers(wire, 3)
        client.submit(b"f")
        assert woken(workers) == [0]

        wire.advance(REARM * 0.99)
        assert woken(workers) == []
        wire.advance(REARM * 0.01)

        assert woken(workers) == [1, 2]
        assert wire.server.unanswered_wakeups == 1

    def test_tick_returns_the_time_until_the_deadline(self, wire: Wire) -> None:
        client, _ = wire.connect(), sleepers(wire, 1)
        assert wire.advance(0) is None

        client.submit(b"f")

        assert wire.advance(0) == pytest.approx(REARM)
        assert wire.advance(REARM / 4) == pytest.approx(REARM * 3 / 4)
        assert wire.advance(REARM) is None

    def test_nothing_happens_when_another_worker_has_grabbed_the_job(self, wire: Wire) -> None:
        client, workers, awake = wire.connect(), sleepers(wire, 3), wire.connect()
        awake.send(Command.CAN_DO, b"f")
        client.submit(b"f")
        awake.ask(Command.GRAB_JOB)
        assert woken(workers) == [0]

        wire.advance(REARM)

        assert woken(workers) == []

    def test_an_unresponsive_worker_may_grab_again(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 1)
        client.submit(b"f")
        wire.advance(REARM)
        assert woken(workers) == [0]

        assert workers[0].ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN


class TestAWorkerThatDoesNotGrabItsJob:
    def test_when_it_takes_another_functions_job_the_next_sleeper_is_woken(self, wire: Wire) -> None:
        (both,) = sleepers(wire, 1, b"f", b"g")
        (spare,) = sleepers(wire, 1, b"f")
        client = wire.connect()
        client.submit(b"f")  # wakes the first worker, which can do both
        client.submit(b"g", how=Command.SUBMIT_JOB_HIGH)
        assert woken([both, spare]) == [0]

        assert both.ask(Command.GRAB_JOB)[2] == b"g"

        assert woken([spare]) == [0]

    def test_when_it_disconnects_the_next_sleeper_is_woken(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 2)
        client.submit(b"f")
        assert woken(workers) == [0]

        workers[0].close()

        assert woken(workers) == [1]

    def test_when_it_cannot_do_the_function_any_more_the_next_sleeper_is_woken(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 2)
        client.submit(b"f")
        assert woken(workers) == [0]

        workers[0].send(Command.CANT_DO, b"f")

        assert woken(workers) == [1]

    def test_when_it_goes_back_to_sleep_it_is_woken_once_more_and_then_rests(self, wire: Wire) -> None:
        client, (worker,) = wire.connect(), sleepers(wire, 1)
        client.submit(b"f")
        assert worker.packets() == [NOOP]

        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == [NOOP]
        worker.send(Command.PRE_SLEEP)
        assert worker.packets() == []

        wire.advance(REARM)
        assert worker.packets() == [NOOP]

    def test_while_it_rests_others_are_woken(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 2)
        client.submit(b"f")
        assert woken(workers) == [0]
        workers[0].send(Command.PRE_SLEEP)
        assert workers[0].packets() == [NOOP]

        workers[0].send(Command.PRE_SLEEP)

        assert woken(workers) == [1]

    def test_a_worker_that_rests_may_grab(self, wire: Wire) -> None:
        client, (worker,) = wire.connect(), sleepers(wire, 1)
        client.submit(b"f")
        for _ in range(2):
            worker.send(Command.PRE_SLEEP)
        worker.packets()

        assert worker.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN

    def test_it_rests_until_the_rearm_time_is_over_and_then_sleeps_as_before(self, wire: Wire) -> None:
        client, (worker,), other = wire.connect(), sleepers(wire, 1, b"g", b"f"), wire.connect()
        client.submit(b"f")
        for _ in range(2):
            worker.send(Command.PRE_SLEEP)
        other.send(Command.CAN_DO, b"f")
        other.ask(Command.GRAB_JOB)
        worker.packets()

        wire.advance(REARM)
        assert worker.packets() == []
        client.submit(b"f")

        assert worker.packets() == [NOOP]

    def test_it_rests_with_several_functions(self, wire: Wire) -> None:
        client, (worker,) = wire.connect(), sleepers(wire, 1, b"idle", b"f")
        client.submit(b"f")
        for _ in range(2):
            worker.send(Command.PRE_SLEEP)
        worker.packets()

        wire.advance(REARM)

        assert worker.packets() == [NOOP]


class TestSleepers:
    def test_a_sleeper_that_disconnects_is_removed(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 2)
        workers[0].close()

        client.submit(b"f")

        assert woken(workers) == [1]

    def test_a_sleeper_that_cannot_do_the_function_any_more_is_not_woken(self, wire: Wire) -> None:
        client, workers = wire.connect(), sleepers(wire, 2)
        workers[0].send(Command.CANT_DO, b"f")

        client.submit(b"f")

        assert woken(workers) == [1]

    def test_a_job_that_lost_its_worker_wakes_a_sleeper(self, wire: Wire) -> None:
        client, busy, workers = wire.connect(), wire.connect(), sleepers(wire, 2)
        busy.send(Command.CAN_DO, b"f")
        client.submit(b"f")
        busy.ask(Command.GRAB_JOB)
        assert woken(workers) == [0]
        assert workers[0].ask(Command.GRAB_JOB) == NO_JOB
        workers[0].send(Command.PRE_SLEEP)

        busy.close()

        assert woken(workers) == [1]

    def test_a_sleeper_of_many_functions_is_woken_for_each_in_turn(self, wire: Wire) -> None:
        client, (worker,) = wire.connect(), sleepers(wire, 1, b"f", b"g", b"h")

        for function in (b"f", b"g", b"h", b"h", b"f"):
            handle = client.submit(function)
            assert worker.packets() == [NOOP]
            assert worker.ask(Command.GRAB_JOB)[1] == handle
            worker.send(Command.WORK_COMPLETE, handle, b"")
            worker.send(Command.PRE_SLEEP)

    def test_a_worker_that_was_woken_is_skipped_for_another_function(self, wire: Wire) -> None:
        client, (busy, spare) = wire.connect(), sleepers(wire, 2, b"f", b"g")
        first = client.submit(b"f")
        assert busy.packets() == [NOOP]
        assert busy.ask(Command.GRAB_JOB)[1] == first

        client.submit(b"g")

        assert busy.packets() == []
        assert spare.packets() == [NOOP]


class TestAWorkerThatIsNotReadFrom:
    """Its results pile up for a slow client, so that the server pauses reading from it."""

    def worker(self, wire: Wire, *, sleeps: bool = True) -> WirePeer:
        worker = wire.connect()
        worker.send(Command.CAN_DO, b"f")
        if sleeps:
            worker.send(Command.PRE_SLEEP)
        return worker

    def test_is_not_woken_before_reading_resumes(self, wire: Wire) -> None:
        paused, other = self.worker(wire), self.worker(wire)
        assert wire.server.pause_dispatch(paused.peer)
        wire.connect().submit(b"f")
        assert (paused.packets(), other.packets()) == ([], [(Command.NOOP,)])

        wire.server.resume_dispatch(paused.peer)
        assert paused.packets() == [(Command.NOOP,)]
        assert paused.ask(Command.GRAB_JOB)[0] is Command.JOB_ASSIGN

    def test_is_replaced_by_another_if_it_was_woken(self, wire: Wire) -> None:
        paused, other = self.worker(wire), self.worker(wire)
        wire.connect().submit(b"f")
        assert paused.packets() == [(Command.NOOP,)]

        assert not wire.server.pause_dispatch(paused.peer)
        assert other.packets() == [(Command.NOOP,)]

    def test_keeps_the_job_that_it_was_pushed(self, wire: Wire) -> None:
        paused = self.worker(wire, sleeps=False)
        paused.send(Command.OPTION_REQ, b"long-poll")
        paused.send(Command.GRAB_JOB_ALL)
        wire.connect().submit(b"f")
        assert paused.packets()[-1][0] is Command.JOB_ASSIGN_UNIQ

        assert not wire.server.pause_dispatch(paused.peer)
        wire.advance(100.0)
        assert wire.server.running() == {b"f": 1}

    def test_is_pushed_no_job(self, wire: Wire) -> None:
        paused = self.worker(wire, sleeps=False)
        paused.send(Command.OPTION_REQ, b"long-poll")
        paused.send(Command.GRAB_JOB_ALL)
        paused.packets()

        assert not wire.server.pause_dispatch(paused.peer)
        wire.connect().submit(b"f")
        assert paused.packets() == [(Command.NO_JOB,)]

    def test_is_not_woken_if_it_can_do_nothing_or_is_woken_already(self, wire: Wire) -> None:
        idle = wire.connect()
        idle.send(Command.PRE_SLEEP)
        assert wire.server.pause_dispatch(idle.peer)
        wire.server.resume_dispatch(idle.peer)
        assert idle.packets() == []
        worker = self.worker(wire)
        wire.connect().submit(b"f")
        assert worker.packets() == [(Command.NOOP,)]

        wire.server.resume_dispatch(worker.peer)
        assert worker.packets() == []
