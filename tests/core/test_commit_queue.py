# SPDX-License-Identifier: MIT
"""Group commit: background jobs are promised once they are stored, and not before."""

from typing import Any

import pytest

from geartrain.core import CommitOutcome, CommitQueue, Durability, JobServerOptions
from geartrain.core.changes import Put, PutNew
from geartrain.core.jobtable import JobTable
from geartrain.core.numbers import BLOCK, Numbers
from geartrain.core.record import JobRecord
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer
from tests.core.batches import Taken, begin_restoring, take
from tests.core.jobs import grab

SUBMIT_BG = Command.SUBMIT_JOB_BG
REFUSED = (Command.ERROR, b"QUEUE_ERROR", b"The job could not be stored")
AWAY = (Command.ERROR, b"QUEUE_ERROR", b"The store does not take jobs at present")


def created(number: int) -> tuple[Command | bytes, ...]:
    return (Command.JOB_CREATED, b"H:localhost:%d" % number)


@pytest.fixture
def wire() -> Wire:
    return Wire(JobServerOptions(durability=Durability.COMMIT))


@pytest.fixture
def queue(wire: Wire) -> CommitQueue:
    return wire.server.commit_queue


@pytest.fixture
def client(wire: Wire) -> WirePeer:
    return wire.connect()


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    return worker


class TestPromises:
    def test_a_client_is_answered_when_its_job_is_stored(self, client: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"u", b"w")
        assert client.packets() == []

        batch = take(queue)
        assert client.packets() == []
        queue.committed()

        assert batch.stored == [JobRecord(1, b"H:localhost:1", b"f", b"u", 1, b"w")]
        assert client.packets() == [created(1)]

    def test_a_foreground_job_waits_for_no_store(self, client: WirePeer, queue: CommitQueue) -> None:
        client.send(Command.SUBMIT_JOB, b"f", b"u", b"w")

        assert client.packets() == [created(1)]
        assert not queue.has_changes

    def test_replies_after_a_promise_stay_behind_it(self, client: WirePeer, queue: CommitQueue) -> None:
        client.send(Command.ECHO_REQ, b"before")
        client.send(SUBMIT_BG, b"f", b"", b"w")
        client.send(Command.ECHO_REQ, b"behind")
        assert client.packets() == [(Command.ECHO_RES, b"before")]

        take(queue)
        queue.committed()

        assert client.packets() == [created(1), (Command.ECHO_RES, b"behind")]

    def test_each_batch_releases_only_its_own_replies(self, client: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"1")
        take(queue)
        client.send(SUBMIT_BG, b"f", b"", b"2")
        client.send(Command.ECHO_REQ, b"last")

        queue.committed()
        assert client.packets() == [created(1)]
        assert [record.number for record in take(queue).stored] == [2]
        queue.committed()

        assert client.packets() == [created(2), (Command.ECHO_RES, b"last")]

    def test_a_peer_that_keeps_submitting_is_still_answered(self, client: WirePeer, queue: CommitQueue) -> None:
        answered = []
        client.send(SUBMIT_BG, b"f", b"", b"")
        for _ in range(10):
            take(queue)
            client.send(SUBMIT_BG, b"f", b"", b"")
            queue.committed()
            answered.append(client.packets())

        assert answered == [[created(number)] for number in range(1, 11)]

    def test_two_submissions_of_one_job_wait_for_the_same_batch(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        other, late = wire.connect(), wire.connect()
        client.send(SUBMIT_BG, b"f", b"u", b"w")
        other.send(SUBMIT_BG, b"f", b"u", b"w")
        take(queue)
        late.send(SUBMIT_BG, b"f", b"u", b"w")
        assert late.packets() == []

        queue.committed()

        assert client.packets() == other.packets() == late.packets() == [created(1)]
        assert client.ask(SUBMIT_BG, b"f", b"u", b"w") == created(1), "it is stored already"

    def test_a_foreground_job_becomes_durable_with_its_first_background_submission(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        client.submit(b"f", b"u", b"w")
        other = wire.connect()
        other.send(SUBMIT_BG, b"f", b"u", b"w")
        assert other.packets() == []

        assert [record.number for record in take(queue).stored] == [1]
        queue.committed()

        assert other.packets() == [created(1)]

    def test_a_job_may_run_before_it_is_stored(self, client: WirePeer, worker: WirePeer) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")

        assert grab(worker) == b"H:localhost:1"

    def test_show_jobs_shows_stored_jobs(self, wire: Wire, client: WirePeer) -> None:
        client.submit(b"f")
        client.send(SUBMIT_BG, b"f", b"", b"")

        assert wire.connect().say("show jobs") == "H:localhost:1\t0\t0\t0\nH:localhost:2\t0\t0\t1\n.\n"

    def test_a_connection_is_closed_after_its_held_replies(self, client: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"")
        client.send_bytes(b"\0BAD" + bytes(8))
        assert (client.is_closed, client.peer.outbox.is_held) == (True, True)

        take(queue)
        queue.committed()

        assert [packet[0] for packet in client.packets()] == [Command.JOB_CREATED, Command.ERROR]
        assert not client.peer.outbox.is_held


class TestBatches:
    def test_a_job_that_ends_before_its_batch_is_not_stored(
        self, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")

        assert take(queue) == Taken()
        queue.committed()
        assert client.packets() == [created(1)]

    def test_an_end_follows_the_batch_of_its_job(self, client: WirePeer, worker: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        take(queue)
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")
        assert not queue.has_changes, "one batch at a time"
        queue.committed()

        assert take(queue) == Taken(ended=[1])

    @pytest.mark.parametrize("last_word", [Command.WORK_FAIL, Command.WORK_EXCEPTION])
    def test_every_end_of_a_job_is_stored(
        self, client: WirePeer, worker: WirePeer, queue: CommitQueue, last_word: Command
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        take(queue)
        queue.committed()
        worker.send(last_word, grab(worker), *([b""] if last_word is Command.WORK_EXCEPTION else []))

        assert take(queue).ended == [1]

    def test_a_cancelled_job_is_deleted(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        take(queue)
        queue.committed()
        wire.connect().say("cancel job H:localhost:1")

        assert take(queue).ended == [1]

    def test_a_lost_worker_is_stored(self, client: WirePeer, worker: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        take(queue)
        queue.committed()
        grab(worker)
        worker.close()

        assert [(record.number, record.losses) for record in take(queue).stored] == [(1, 1)]

    def test_a_change_of_a_job_that_ended_is_dropped_before_the_batch(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        take(queue)
        queue.committed()
        grab(worker)
        worker.close()
        wire.connect().say("cancel job H:localhost:1")

        assert take(queue) == Taken(ended=[1])

    def test_a_lost_worker_before_the_batch_is_taken_is_part_of_it(
        self, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"w")
        grab(worker)
        worker.close()

        assert [(record.number, record.losses) for record in take(queue).stored] == [(1, 1)]

    def test_a_record_has_all_fields_of_a_job(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        wire.clock.advance(0)
        later = int(wire.clock.time()) + 1000
        client.send(Command.SUBMIT_JOB_EPOCH, b"f", b"e", b"%d" % later, b"w")
        client.send(Command.SUBMIT_REDUCE_JOB_BACKGROUND, b"f", b"r", b"reducer", b"", b"w")
        client.send(Command.SUBMIT_JOB_LOW_BG, b"f", b"l", b"w")

        assert sorted(take(queue).stored, key=lambda record: record.number) == [
            JobRecord(1, b"H:localhost:1", b"f", b"e", 1, b"w", run_at=later * 1000),
            JobRecord(2, b"H:localhost:2", b"f", b"r", 1, b"w", reducer=b"reducer"),
            JobRecord(3, b"H:localhost:3", b"f", b"l", 2, b"w"),
        ]

    def test_numbers_are_reserved_long_before_they_are_used(self, wire: Wire, queue: CommitQueue) -> None:
        wire.tick()
        assert not queue.has_changes, "there is no store yet"
        wire.server.begin_restoring(5)
        wire.tick()
        first = take(queue).reserve
        assert first > 1_000_000
        queue.committed()
        wire.tick()
        assert not queue.has_changes

        wire.server.begin_restoring(first - 10)
        wire.tick()

        assert take(queue).reserve > first

    def test_a_regular_stop_returns_unused_numbers(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        begin_restoring(wire, 0)
        wire.server.end_restoring()
        client.send(SUBMIT_BG, b"f", b"", b"")
        wire.server.store_last()

        assert take(queue).reserve == 1


class TestFailure:
    def test_a_job_that_is_not_stored_is_refused_and_removed(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"1")
        take(queue)
        client.send(SUBMIT_BG, b"f", b"", b"2")
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert client.packets() == [REFUSED, REFUSED]
        assert wire.connect().say("status") == "f\t0\t0\t0\n.\n"

    def test_it_is_deleted_in_case_it_was_stored(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"1")
        take(queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert take(queue) == Taken(ended=[1])

    def test_a_running_job_is_left_to_its_worker(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"1")
        take(queue)
        handle = grab(worker)
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        worker.send(Command.WORK_COMPLETE, handle, b"")

        assert worker.packets() == []
        assert take(queue).ended == [1]

    def test_a_job_that_ended_in_the_meantime_is_deleted(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"1")
        take(queue)
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert set(take(queue).ended) == {1}

    def test_a_foreground_client_keeps_its_job(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        client.submit(b"f", b"u", b"w")
        other = wire.connect()
        other.send(SUBMIT_BG, b"f", b"u", b"w")
        take(queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert other.packets() == [REFUSED]
        assert client.ask(Command.GET_STATUS, b"H:localhost:1")[2] == b"1"

    def test_batches_are_counted(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        for outcome in (None, CommitOutcome.UNKNOWN, None, CommitOutcome.NOT_STORED, None):
            client.send(SUBMIT_BG, b"f", b"", b"")
            take(queue)
            if outcome is None:
                queue.committed()
            else:
                wire.server.store_failed(outcome)

        shown = wire.connect().say("show metrics")

        assert "store_batches\t3\nstore_failures\t2\n" in shown

    def test_while_the_store_is_unavailable_new_background_jobs_are_refused(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"stored", b"")
        take(queue)
        queue.committed()
        client.packets()
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)
        client.packets()

        assert client.ask(SUBMIT_BG, b"f", b"new", b"") == AWAY
        assert client.ask(SUBMIT_BG, b"f", b"stored", b"") == created(1)
        assert client.ask(Command.SUBMIT_JOB, b"f", b"new", b"")[0] is Command.JOB_CREATED
        assert client.ask(SUBMIT_BG, b"f", b"new", b"") == AWAY, "and its foreground job goes on"
        assert wire.connect().say("status").startswith("f\t2\t")

    def test_background_jobs_are_accepted_again_when_the_store_is_back(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)
        client.packets()

        take(queue)
        queue.committed()
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        queue.committed()

        assert client.packets() == [created(2)]

    def test_ends_are_written_again(self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue) -> None:
        for _ in range(3):
            client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        queue.committed()
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")
        grab(worker)
        worker.close()
        take(queue)
        wire.connect().say("cancel job H:localhost:3")
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        batch = take(queue)
        assert batch.ended == [1, 3]
        assert [(record.number, record.losses) for record in batch.stored] == [(2, 1)]

    def test_a_change_of_a_job_that_ended_in_the_meantime_is_dropped(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        queue.committed()
        grab(worker)
        worker.close()
        take(queue)
        wire.connect().say("cancel job H:localhost:1")
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert take(queue) == Taken(ended=[1])

    def test_jobs_are_refused_when_the_store_falls_too_far_behind(
        self,
    ) -> None:
        wire = Wire(JobServerOptions(durability=Durability.COMMIT, max_pending=1000))
        client, queue = wire.connect(), wire.server.commit_queue
        client.send(SUBMIT_BG, b"f", b"", bytes(1000))
        assert (queue.is_accepting, repr(queue)) == (False, "<CommitQueue ready: 1 added, 0 ended>")
        other = wire.connect()
        assert other.ask(SUBMIT_BG, b"f", b"", b"") == AWAY

        take(queue)

        assert (queue.is_accepting, repr(queue)) == (True, "<CommitQueue busy: 0 added, 0 ended>")
        wire.server.store_failed(CommitOutcome.UNKNOWN)
        assert repr(queue) == "<CommitQueue away: 0 added, 1 ended>"

    def test_the_workloads_of_all_jobs_count_until_their_batch_is_taken(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.COMMIT, max_pending=1000))
        client, queue = wire.connect(), wire.server.commit_queue
        client.send(SUBMIT_BG, b"f", b"", bytes(500))
        assert queue.is_accepting
        client.send(SUBMIT_BG, b"f", b"", bytes(500))
        assert not queue.is_accepting

        take(queue)
        client.send(SUBMIT_BG, b"f", b"", bytes(500))

        assert queue.is_accepting

    def test_a_job_that_ends_before_it_is_stored_is_no_longer_pending(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.COMMIT, max_pending=1000))
        client, worker, queue = wire.connect(), wire.connect(), wire.server.commit_queue
        worker.send(Command.CAN_DO, b"f")
        client.send(SUBMIT_BG, b"f", b"", bytes(1000))
        assert not queue.is_accepting
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")
        assert queue.is_accepting
        client.send(SUBMIT_BG, b"f", b"", bytes(500))
        assert queue.is_accepting

        take(queue)
        queue.committed()
        client.send(SUBMIT_BG, b"f", b"", bytes(1000))

        assert not queue.is_accepting


class TestOtherDurability:
    def test_relaxed_answers_at_once_and_stores_later(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED))
        client = wire.connect()

        assert client.ask(SUBMIT_BG, b"f", b"", b"w") == created(1)

        assert [record.number for record in take(wire.server.commit_queue).stored] == [1]

    def test_relaxed_has_each_job_once_in_a_batch(self) -> None:
        """A new job that lost its worker while its batch failed is added again, and not changed."""
        wire = Wire(JobServerOptions(durability=Durability.RELAXED))
        client, worker = wire.connect(), wire.connect()
        client.send(SUBMIT_BG, b"f", b"", b"w")
        take(wire.server.commit_queue)
        worker.send(Command.CAN_DO, b"f")
        grab(worker)
        worker.close()
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        assert [(record.number, record.losses) for record in take(wire.server.commit_queue).stored] == [(1, 1)]

    def test_relaxed_keeps_jobs_that_could_not_be_stored(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED))
        client, queue = wire.connect(), wire.server.commit_queue
        client.submit(b"f", how=SUBMIT_BG)
        client.submit(b"f", how=SUBMIT_BG)
        take(queue)
        wire.connect().say("cancel job H:localhost:1")
        wire.server.store_failed(CommitOutcome.UNKNOWN)
        assert client.ask(SUBMIT_BG, b"f", b"", b"") == created(3)

        batch = take(queue)
        assert [record.number for record in batch.stored] == [2]
        assert batch.ended == [1]
        queue.committed()
        assert [record.number for record in take(queue).stored] == [3]

    def test_relaxed_keeps_acknowledged_jobs_in_memory_when_another_server_takes_over(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED))
        client, worker, queue = wire.connect(), wire.connect(), wire.server.commit_queue
        client.submit(b"f", how=SUBMIT_BG)
        take(queue)
        client.submit(b"f", how=SUBMIT_BG)
        schedule = client.ask(Command.SUBMIT_JOB_SCHED, b"f", b"s", b"0", b"0", b"1", b"1", b"*", b"w")
        assert schedule == created(3)
        wire.server.store_failed(CommitOutcome.FENCED)

        assert client.ask(SUBMIT_BG, b"f", b"", b"") == AWAY
        assert wire.server.background_jobs() == (0, 3)
        assert queue.unstored == 3
        worker.send(Command.CAN_DO, b"f")
        assert [grab(worker), grab(worker)] == [b"H:localhost:1", b"H:localhost:2"]
        worker.close()
        assert take(queue) == Taken()

    def test_relaxed_counts_jobs_that_could_not_be_stored_as_pending_again(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED, max_pending=1000))
        client, queue = wire.connect(), wire.server.commit_queue
        client.submit(b"f", b"", bytes(500), how=SUBMIT_BG)
        take(queue)
        client.submit(b"f", b"", bytes(500), how=SUBMIT_BG)
        wire.server.store_failed(CommitOutcome.NOT_STORED)
        assert not queue.is_accepting

        take(queue)
        queue.committed()
        take(queue)
        client.submit(b"f", b"", bytes(500), how=SUBMIT_BG)

        assert queue.is_accepting

    @pytest.mark.parametrize("outcome", [CommitOutcome.NOT_STORED, CommitOutcome.UNKNOWN])
    def test_shutdown_stores_the_numbers_again_that_it_returns(self, outcome: CommitOutcome) -> None:
        wire = Wire(JobServerOptions(durability=Durability.SHUTDOWN))
        wire.connect().submit(b"f", how=SUBMIT_BG)
        wire.server.store_last()
        assert take(wire.server.commit_queue).reserve == 1

        wire.server.store_failed(outcome)

        assert take(wire.server.commit_queue).reserve == 1

    @pytest.mark.parametrize("outcome", [CommitOutcome.NOT_STORED, CommitOutcome.UNKNOWN])
    def test_relaxed_deletes_a_job_that_may_be_stored_when_it_ends(self, outcome: CommitOutcome) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED))
        queue = wire.server.commit_queue
        wire.connect().submit(b"f", how=SUBMIT_BG)
        take(queue)
        wire.server.store_failed(outcome)
        wire.connect().say("cancel job H:localhost:1")

        assert take(queue).ended == ([1] if outcome is CommitOutcome.UNKNOWN else [])

    def test_relaxed_does_not_store_a_job_as_new_that_may_be_stored(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED))
        queue = wire.server.commit_queue
        wire.connect().submit(b"f", how=SUBMIT_BG)
        take(queue)
        wire.server.store_failed(CommitOutcome.UNKNOWN)

        changes = queue.take_batch()

        assert [type(change) for change in changes] == [Put]

    def test_relaxed_counts_jobs_that_may_be_stored_as_pending(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.RELAXED, max_pending=1000))
        queue = wire.server.commit_queue
        wire.connect().submit(b"f", b"", b"w" * 1000, how=SUBMIT_BG)
        take(queue)
        assert queue.is_accepting

        for _ in range(2):
            wire.server.store_failed(CommitOutcome.UNKNOWN)

            assert not queue.is_accepting
            take(queue)

    def test_shutdown_stores_when_the_server_stops(self) -> None:
        wire = Wire(JobServerOptions(durability=Durability.SHUTDOWN))
        client, queue = wire.connect(), wire.server.commit_queue
        wire.server.restore([JobRecord(1, b"H:localhost:1", b"f", b"", 1, b"old")])
        begin_restoring(wire, 1)
        wire.server.end_restoring()
        assert client.ask(SUBMIT_BG, b"f", b"", b"new") == created(2)
        client.submit(b"f")
        wire.tick()
        assert not queue.has_changes

        wire.server.store_last()

        assert [record.workload for record in take(queue).stored] == [b"new"]

    def test_without_durability_nothing_is_recorded(self) -> None:
        wire = Wire()
        wire.connect().submit(b"f", how=SUBMIT_BG)
        wire.tick()

        assert not wire.server.commit_queue.has_changes


class TestRestoring:
    RECORDS = (
        JobRecord(5, b"H:other:5", b"f", b"u", 1, b"normal", losses=2),
        JobRecord(6, b"H:other:6", b"f", b"", 0, b"high", reducer=b"r"),
        JobRecord(7, b"H:other:7", b"f", b"-", 1, b"same"),
    )

    def test_jobs_come_back_as_they_were(self, wire: Wire, worker: WirePeer, queue: CommitQueue) -> None:
        begin_restoring(wire, 9)
        wire.server.restore(self.RECORDS)
        wire.server.end_restoring()

        got = []
        for _ in self.RECORDS:
            worker.send(Command.GRAB_JOB_ALL)
            got += worker.packets()
        assert got == [
            (Command.JOB_ASSIGN_ALL, b"H:other:6", b"f", b"", b"r", b"high"),
            (Command.JOB_ASSIGN_UNIQ, b"H:other:5", b"f", b"u", b"normal"),
            (Command.JOB_ASSIGN_UNIQ, b"H:other:7", b"f", b"-", b"same"),
        ]
        assert wire.connect().say("show jobs").splitlines()[0] == "H:other:5\t2\t0\t1"
        worker.send(Command.WORK_COMPLETE, b"H:other:5", b"")
        assert take(queue).ended == [5]

    def test_a_worker_that_waits_for_them_gets_them_by_priority(self, wire: Wire, worker: WirePeer) -> None:
        begin_restoring(wire, 9)
        worker.ask(Command.OPTION_REQ, b"long-poll")
        worker.send(Command.GRAB_JOB_ALL)

        wire.server.restore(self.RECORDS)

        assert worker.packets() == [
            (Command.NOOP,),
            (Command.JOB_ASSIGN_ALL, b"H:other:6", b"f", b"", b"r", b"high"),
        ]

    @pytest.mark.parametrize("handle", [b"H:elsewhere:21", b"H:elsewhere:08", b"H:elsewhere:208", b"of any kind"])
    def test_a_job_from_elsewhere_keeps_its_handle_and_its_number(
        self, wire: Wire, worker: WirePeer, queue: CommitQueue, handle: bytes
    ) -> None:
        """The number of all others is the one in their handle."""
        begin_restoring(wire, 9)
        wire.server.restore([JobRecord(8, handle, b"f", b"", 1, b"")])
        wire.server.end_restoring()

        assert grab(worker) == handle
        worker.send(Command.WORK_COMPLETE, handle, b"")

        assert take(queue).ended == [8]

    def test_new_handles_follow_all_that_were_ever_used(self, wire: Wire, client: WirePeer) -> None:
        begin_restoring(wire, 9)
        wire.server.end_restoring()

        assert client.submit(b"f") == b"H:localhost:10"

    def test_submissions_wait_and_everything_else_goes_on(self, wire: Wire, client: WirePeer, worker: WirePeer) -> None:
        begin_restoring(wire, 9)
        client.send(Command.SUBMIT_JOB, b"f", b"u", b"normal")
        client.send(Command.ECHO_REQ, b"behind")
        wire.server.restore(self.RECORDS)
        assert client.packets() == []
        assert wire.server.is_waiting(client.peer)
        assert not wire.server.is_waiting(worker.peer)
        assert worker.ask(Command.ECHO_REQ, b"x") == (Command.ECHO_RES, b"x")
        assert grab(worker) == b"H:other:6"

        wire.server.end_restoring()

        assert client.packets() == [(Command.JOB_CREATED, b"H:other:5"), (Command.ECHO_RES, b"behind")]

    def test_no_turn_is_due_for_a_waiting_peer(self, wire: Wire, client: WirePeer) -> None:
        begin_restoring(wire, 9)
        client.send(Command.SUBMIT_JOB, b"f", b"", b"")

        assert wire.tick() is None

    def test_a_waiting_peer_may_disconnect(self, wire: Wire, client: WirePeer) -> None:
        begin_restoring(wire, 9)
        client.send(Command.SUBMIT_JOB, b"f", b"", b"")
        client.close()
        wire.server.end_restoring()

        assert wire.connect().say("status") == ".\n"

    @pytest.mark.parametrize("separately", [True, False])
    def test_a_waiting_peer_that_does_not_speak_gearman_is_closed(
        self, wire: Wire, client: WirePeer, separately: bool
    ) -> None:
        begin_restoring(wire, 9)
        submit, bad = b"\0REQ\0\0\0\x07\0\0\0\x03f\0\0", b"\0BAD" + bytes(8)
        for data in [submit, bad] if separately else [submit + bad]:
            client.send_bytes(data)

        assert client.packets() == []
        wire.server.end_restoring()

        assert [packet[0] for packet in client.packets()] == [Command.JOB_CREATED, Command.ERROR]
        assert client.is_closed

    def test_a_worker_asleep_is_woken(self, wire: Wire, worker: WirePeer) -> None:
        worker.send(Command.PRE_SLEEP)
        begin_restoring(wire, 9)
        wire.server.restore(self.RECORDS)

        assert worker.packets() == [(Command.NOOP,)]

    def test_a_future_start_is_kept_and_a_past_one_is_now(self, wire: Wire, worker: WirePeer) -> None:
        now = int(wire.clock.time())
        past = JobRecord(1, b"H:o:1", b"f", b"", 1, b"", run_at=(now - 5) * 1000)
        future = JobRecord(2, b"H:o:2", b"f", b"", 1, b"", run_at=(now + 50) * 1000)
        begin_restoring(wire, 9)
        wire.server.restore([past, future])
        wire.server.end_restoring()

        assert grab(worker) == b"H:o:1"
        assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)
        wire.advance(60)
        assert grab(worker) == b"H:o:2"

    def test_two_stored_jobs_with_one_unique_are_both_run(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        begin_restoring(wire, 9)
        wire.server.restore(
            JobRecord(number, b"H:o:%d" % number, function, b"u", 1, b"")
            for number, function in enumerate((b"f", b"f", b"g", b"g"), 1)
        )
        wire.server.end_restoring()

        worker.send(Command.CAN_DO, b"g")
        done = [grab(worker) for _ in range(4)]
        for handle in done:
            worker.send(Command.WORK_COMPLETE, handle, b"")
        assert sorted(done) == [b"H:o:1", b"H:o:2", b"H:o:3", b"H:o:4"]
        assert client.ask(Command.GET_STATUS_UNIQUE, b"u")[2] == b"0"
        assert sorted(take(queue).ended) == [1, 2, 3, 4]


class TestFencing:
    def test_earlier_changes_are_never_written(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        begin_restoring(wire, 0)
        wire.server.end_restoring()
        for unique in (b"ended", b"lost"):
            client.send(SUBMIT_BG, b"f", unique, b"")
        take(queue)
        queue.committed()
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")
        grab(worker)
        worker.close()
        client.send(SUBMIT_BG, b"f", b"on its way", b"")
        client.packets()
        take(queue)
        client.send(SUBMIT_BG, b"f", b"behind it", b"")
        assert not queue.is_fenced

        wire.server.store_failed(CommitOutcome.FENCED)

        assert client.packets() == [REFUSED, REFUSED]
        assert client.ask(SUBMIT_BG, b"f", b"new", b"") == AWAY
        assert queue.is_fenced
        assert not queue.has_changes

    def test_changes_behind_the_batch_are_not_written_either(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        for unique in (b"ended", b"lost"):
            client.send(SUBMIT_BG, b"f", unique, b"")
        take(queue)
        queue.committed()
        client.send(SUBMIT_BG, b"f", b"on its way", b"")
        take(queue)
        worker.send(Command.WORK_COMPLETE, grab(worker), b"")
        grab(worker)
        worker.close()

        wire.server.store_failed(CommitOutcome.FENCED)

        assert not queue.has_changes

    def test_a_stopping_server_gives_no_numbers_back(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        begin_restoring(wire, 0)
        wire.server.end_restoring()
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        wire.server.store_last()

        wire.server.store_failed(CommitOutcome.FENCED)

        assert not queue.has_changes


class TestManyJobs:
    def test_a_batch_is_closed_when_it_is_large(self, wire: Wire, queue: CommitQueue) -> None:
        clients = [wire.connect() for _ in range(3)]
        for client in clients:
            client.send(SUBMIT_BG, b"f", b"", bytes(16 * 1024 * 1024))

        for number in range(1, 4):
            assert [record.number for record in take(queue).stored] == [number]
            queue.committed()
            assert [client.packets() for client in clients] == [
                [created(each)] if each == number else [] for each in range(1, 4)
            ]
        assert not queue.has_changes

    def test_ordinary_jobs_are_packed(self, client: WirePeer, queue: CommitQueue) -> None:
        for unique in (b"", b"u"):
            client.send(SUBMIT_BG, b"f", unique, b"")

        assert [type(change) for change in queue.take_batch()] == [PutNew]

    def test_a_batch_is_closed_when_it_takes_long_to_pack(self, wire: Wire, queue: CommitQueue) -> None:
        submit = request(SUBMIT_BG, b"f", b"", b"w")
        clients = [wire.connect() for _ in range(2)]
        for client in clients:
            client.send_bytes(submit * 10_000)
        wire.settle()
        end = wire.connect().ask(Command.ECHO_REQ, b"x")
        assert end == (Command.ECHO_RES, b"x")

        numbers: list[int] = []
        while queue.has_changes:
            batch = take(queue)
            assert len(batch.stored) <= 8192
            numbers += [record.number for record in batch.stored]
            queue.committed()

        assert numbers == list(range(1, 20_001))
        assert [len(client.packets()) for client in clients] == [10_000, 10_000]

    def test_a_job_of_a_later_batch_may_end_while_an_earlier_one_is_on_its_way(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send_bytes(request(SUBMIT_BG, b"f", b"", b"w") * 8200)
        wire.settle()
        take(queue)
        for number in range(1, 8201):
            worker.send(Command.GRAB_JOB)
            worker.send(Command.WORK_COMPLETE, b"H:localhost:%d" % number, b"")
        assert queue.is_accepting

        queue.committed()

        following = take(queue)
        assert following.stored == []
        assert following.ended == list(range(1, 8193))

    def test_jobs_of_all_batches_are_refused_when_one_fails(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        client.send_bytes(request(SUBMIT_BG, b"f", b"", b"w") * 8200)
        wire.settle()
        take(queue)

        wire.server.store_failed(CommitOutcome.NOT_STORED)
        while wire.server.revoke_more():
            pass

        assert set(client.packets()) == {REFUSED}
        assert not wire.server.has_work
        assert take(queue) == Taken(), "none of them was stored"

    def test_jobs_are_revoked_in_portions(self, wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
        client.send_bytes(request(SUBMIT_BG, b"f", b"", b"w") * 8200)
        wire.settle()
        take(queue)

        portions = [queue.failed(CommitOutcome.NOT_STORED)]
        other = wire.connect()
        while queue.is_revoking:
            assert not queue.has_changes, "the next batch comes when the last answers are sent"
            assert other.ask(SUBMIT_BG, b"f", b"", b"") == AWAY
            portions.append(queue.revoke())

        assert {len(portion) for portion in portions[:-1]} <= {999, 1000}
        assert [job.number for portion in portions for job in portion] == list(range(1, 8201))
        assert len(client.packets()) == 8200
        with pytest.raises(AssertionError, match="a batch was taken"):
            queue.committed()

    def test_a_job_of_a_failed_batch_may_end_before_it_is_revoked(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send_bytes(request(SUBMIT_BG, b"f", b"", b"w") * 8200)
        wire.settle()
        take(queue)
        wire.server.store_failed(CommitOutcome.NOT_STORED)
        wire.connect().say("cancel job H:localhost:8200")
        while wire.server.revoke_more():
            pass

        assert take(queue) == Taken()
        queue.committed()
        assert queue.is_accepting

    def test_changed_jobs_are_stored_in_portions(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        count = 5_000
        client.send_bytes(request(SUBMIT_BG, b"f", b"", b"w") * count)
        wire.settle()
        take(queue)
        queue.committed()
        worker.send_bytes(request(Command.GRAB_JOB) * count)
        wire.settle()
        worker.close()
        wire.settle()

        portions = []
        while queue.has_changes:
            portions.append(len(take(queue).stored))
            queue.committed()

        assert portions == [4096, count - 4096]


class TestNumbers:
    def test_a_foreground_job_needs_no_store_when_numbers_have_run_out(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        wire.server.begin_restoring(7)
        wire.server.end_restoring()

        assert client.ask(SUBMIT_BG, b"f", b"", b"") == AWAY
        first, second = client.submit(b"f"), client.submit(b"f")

        numbers = [int(handle.rpartition(b":")[2]) for handle in (first, second)]
        assert numbers[0] >= 2**62
        assert numbers[1] == numbers[0] + 1
        assert numbers[1] < 2**63

    def test_transient_numbers_of_two_runs_differ(self) -> None:
        earlier, later = Numbers(1_700_000_000.0), Numbers(1_700_000_000.001)
        for numbers in (earlier, later):
            numbers.begin_after(0, reserves=True)

        assert earlier.take() + 1_000_000 < later.take()

    def test_a_job_with_such_a_number_may_become_durable(
        self, wire: Wire, client: WirePeer, queue: CommitQueue
    ) -> None:
        wire.server.begin_restoring(7)
        wire.server.end_restoring()
        handle = client.submit(b"f", b"u")
        wire.tick()
        take(queue)
        queue.committed()
        other = wire.connect()
        other.send(SUBMIT_BG, b"f", b"u", b"")
        client.send(SUBMIT_BG, b"f", b"", b"")

        batch = take(queue)

        assert sorted(record.handle for record in batch.stored) == sorted([b"H:localhost:8", handle])

    def test_a_reservation_that_failed_is_asked_for_again(self, wire: Wire, queue: CommitQueue) -> None:
        wire.server.begin_restoring(7)
        wire.tick()
        first = take(queue).reserve
        wire.server.store_failed(CommitOutcome.NOT_STORED)
        wire.tick()

        assert take(queue).reserve == first > 7

    def test_a_million_numbers_are_reserved_ahead_in_whole_blocks(self) -> None:
        numbers = Numbers(0.0)
        numbers.begin_after(5, reserves=True)

        until = numbers.request()

        assert until % BLOCK == 0
        assert 64 * BLOCK <= until - 5 <= 65 * BLOCK

    def test_more_numbers_are_reserved_once_half_of_them_are_used_up(self) -> None:
        numbers = Numbers(0.0)
        numbers.begin_after(0, reserves=True)
        until = numbers.request()
        numbers.grant(until)

        numbers.last = until - 32 * BLOCK - 1
        assert numbers.request() == 0
        numbers.last += 1
        assert numbers.request() > until

    def test_without_a_store_no_number_is_reserved(self) -> None:
        wire = Wire()
        wire.tick()

        assert not wire.server.commit_queue.has_changes
        assert wire.connect().submit(b"f") == b"H:localhost:1"

    @pytest.mark.parametrize("number", [998, 999, 1000, 1001, 1999, 2000, 999_999, 1_000_000, 2**62])
    def test_handles_end_with_their_numbers(self, number: int) -> None:
        numbers = Numbers(0.0)
        table = JobTable(b"H:a", numbers)

        assert table.handle_of(number) == b"H:a:%d" % number
        assert table.handle_of(number + 1) == b"H:a:%d" % (number + 1)


class TestLongRuns:
    def test_a_job_that_began_between_two_checks_is_marked_by_the_next(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        for _ in range(2):
            client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        queue.committed()
        first = grab(worker)
        wire.advance(0.5)
        worker.send(Command.WORK_COMPLETE, first, b"")
        grab(worker)
        take(queue)
        queue.committed()
        assert wire.advance(0.5) == 1.0
        assert not queue.has_changes

        wire.advance(1.0)

        assert [(record.number, record.started) for record in take(queue).stored] == [(2, True)]
        queue.committed()
        assert wire.advance(0) is None, "nothing else is to be checked"

    def test_a_job_that_runs_for_more_than_a_second_is_marked_once(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        queue.committed()
        grab(worker)
        wire.advance(0.5)
        assert not queue.has_changes

        wire.advance(0.5)

        assert [(record.number, record.started) for record in take(queue).stored] == [(1, True)]
        queue.committed()
        wire.advance(5)
        assert not queue.has_changes

    def test_shorter_jobs_and_foreground_jobs_are_not_marked(
        self, wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
    ) -> None:
        client.send(SUBMIT_BG, b"f", b"", b"")
        take(queue)
        queue.committed()
        handle = grab(worker)
        wire.advance(0.5)
        worker.send(Command.WORK_COMPLETE, handle, b"")
        client.submit(b"f")
        grab(worker)
        take(queue)
        queue.committed()

        wire.advance(5)

        assert not queue.has_changes


@pytest.mark.parametrize(
    "field",
    [
        {"reducer": b"r"},
        {"failures": 1},
        {"expires_at": 2**41},
        {"depth": 1},
        {"key": b"k"},
        {"batch": b"b"},
        {"origin": b"H:a:4"},
        {"then": b"g"},
        {"on_failure": b"g"},
        {"overrides": b"o"},
        {"reason": b"timeout"},
        {"error": b"Traceback"},
        {"unknown": ((200, b"later"),)},
    ],
    ids=lambda field: next(iter(field)),
)
def test_each_field_of_a_restored_job_survives_a_change(
    wire: Wire, worker: WirePeer, queue: CommitQueue, field: dict[str, Any]
) -> None:
    record = JobRecord(5, b"H:a:5", b"f", b"u", 1, b"w").replace(**field)
    begin_restoring(wire, 9)
    wire.server.restore([record])
    wire.server.end_restoring()
    worker.send(Command.GRAB_JOB_ALL)
    worker.close()

    assert take(queue).stored == [record.replace(losses=1)]


def test_a_restored_job_with_other_fields_stores_its_changes(wire: Wire, worker: WirePeer, queue: CommitQueue) -> None:
    now = int(wire.clock.time())
    record = JobRecord(5, b"H:a:5", b"f", b"u", 1, b"w", run_at=(now + 5) * 1000, key=b"k")
    begin_restoring(wire, 9)
    wire.server.restore([record])
    wire.server.end_restoring()
    wire.advance(6)
    grab(worker)
    wire.advance(2)

    assert take(queue).stored == [record.replace(run_at=0, started=True)]


def test_the_time_of_its_submission_stays_with_a_job(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    queue, submitted_at = wire.server.commit_queue, int(wire.clock.time() * 1000)
    client.send(SUBMIT_BG, b"f", b"", b"")
    wire.advance(10)
    grab(worker)
    worker.close()

    (change,) = queue.take_batch()

    assert isinstance(change, Put)
    assert [record.created_at for record in change.records] == [submitted_at]


def test_fields_of_a_later_version_survive(wire: Wire, worker: WirePeer, queue: CommitQueue) -> None:
    record = JobRecord(5, b"H:a:5", b"f", b"u", 1, b"w", failures=3, unknown=((200, b"later"),))
    begin_restoring(wire, 9)
    wire.server.restore([record])
    wire.server.end_restoring()
    grab(worker)
    worker.close()

    assert take(queue).stored == [record.replace(losses=1)]


def test_a_change_behind_a_batch_that_failed_is_kept(
    wire: Wire, client: WirePeer, worker: WirePeer, queue: CommitQueue
) -> None:
    for _ in range(2):
        client.send(SUBMIT_BG, b"f", b"", b"")
    take(queue)
    queue.committed()
    other = wire.connect()
    other.send(Command.CAN_DO, b"f")
    grab(worker)
    grab(other)
    worker.close()
    assert [record.number for record in take(queue).stored] == [1]
    other.close()

    wire.server.store_failed(CommitOutcome.UNKNOWN)

    assert {(record.number, record.losses) for record in take(queue).stored} == {(1, 1), (2, 1)}


def test_all_batches_behind_one_that_failed_are_refused_and_no_longer_pending() -> None:
    large = bytes(16 * 1024 * 1024)  # as many bytes as a batch may have
    wire = Wire(JobServerOptions(durability=Durability.COMMIT, max_pending=len(large) * 4 + 10_000))
    clients, queue = [wire.connect() for _ in range(4)], wire.server.commit_queue
    for client in clients:
        client.send(SUBMIT_BG, b"f", b"", large)
    take(queue)

    wire.server.store_failed(CommitOutcome.NOT_STORED)
    while wire.server.revoke_more():
        pass

    assert [client.packets() for client in clients] == [[REFUSED]] * 4
    assert take(queue) == Taken()
    queue.committed()
    for client in clients:
        client.send(SUBMIT_BG, b"f", b"", large)
    assert queue.is_accepting


def test_the_server_tells_whether_it_has_rejected_jobs(wire: Wire, client: WirePeer, queue: CommitQueue) -> None:
    assert not wire.server.revoke_more()
    client.send_bytes(request(SUBMIT_BG, b"f", b"", b"w") * 1_500)
    wire.settle()
    take(queue)

    wire.server.store_failed(CommitOutcome.NOT_STORED)

    assert wire.server.revoke_more()
    assert not wire.server.revoke_more()


def test_a_restored_job_that_ends_before_the_first_batch_is_deleted(wire: Wire, queue: CommitQueue) -> None:
    wire.server.restore([JobRecord(9, b"H:o:9", b"f", b"", 1, b"")])

    wire.connect().say("cancel job H:o:9")

    assert take(queue).ended == [9]
