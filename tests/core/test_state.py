# SPDX-License-Identifier: MIT
"""Objects of the core on their own: lines, transitions, outboxes."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geartrain.core.clock import TurnClock
from geartrain.core.outbox import SHARED
from geartrain.core.outcome import OUTCOMES, TRANSITIONS, Event, JobState, next_state
from geartrain.core.policy import FunctionPolicy
from geartrain.core.running import helpers
from geartrain.core.state import FunctionQueue, Job, Line
from geartrain.core.waiters import count_waits
from geartrain.protocol import Command, response
from geartrain.testing.clock import FakeClock
from geartrain.testing.wire import Wire


def test_a_clock_may_be_read_before_the_first_turn() -> None:
    clock = FakeClock()

    assert TurnClock(clock).wall() == clock.time()
    assert TurnClock(clock).wall_ms() == clock.time() * 1000


def test_jobs_that_end_while_they_wait_leave_nothing_behind(wire: Wire) -> None:
    """Ten thousand clients that come and go must not leave ten thousand places in the queue."""
    client = wire.connect()
    kept = [client.submit(b"f")]
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(10_000):
        passer_by = wire.connect()
        passer_by.submit(b"f", b"", b"x")
        passer_by.close()
        wire.peers.remove(passer_by)
        wire.server.take_dirty()
    kept.append(client.submit(b"f"))

    gc.collect()
    assert len(gc.get_objects()) - before < 200
    assert wire.connect().say("status") == "f\t2\t0\t0\n.\n"
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    assert [worker.ask(Command.GRAB_JOB)[1] for _ in range(2)] == kept
    assert worker.ask(Command.GRAB_JOB) == (Command.NO_JOB,)


def test_a_few_places_of_ended_jobs_are_skipped(wire: Wire) -> None:
    clients = [wire.connect() for _ in range(3)]
    handles = [client.submit(b"f") for client in clients]
    for client in clients[:2]:
        client.close()
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")

    assert worker.ask(Command.GRAB_JOB)[1] == handles[2]


def test_objects_print_their_state(wire: Wire) -> None:
    queue = FunctionQueue(b"f", FunctionPolicy())
    first, second = (Job(number, b"H:a:%d" % number, queue, b"", b"", 1) for number in (1, 2))
    queue.enqueue(first, first=False)
    second.state = JobState.RUNNING
    worker = wire.connect()
    worker.send(Command.SET_CLIENT_ID, b"me")

    assert repr(queue) == "<FunctionQueue f: 1 waiting, 0 running, 0 workers>"
    assert repr(worker.peer) == "<Peer 127.0.0.1 me (connection 0)>"
    assert str(worker.peer) == "127.0.0.1 me (connection 0)"
    assert [repr(job) for job in (first, second)] == ["<Job H:a:1 new>", "<Job H:a:2 running>"]


def test_objects_print_names_that_are_not_utf_8(wire: Wire) -> None:
    queue = FunctionQueue(b"f\xff", FunctionPolicy())
    worker = wire.connect()
    worker.send(Command.SET_CLIENT_ID, b"me\xff")

    assert repr(queue).startswith("<FunctionQueue f\N{REPLACEMENT CHARACTER}: ")
    assert repr(worker.peer) == "<Peer 127.0.0.1 me\N{REPLACEMENT CHARACTER} (connection 0)>"
    assert repr(Job(1, b"H:\xff", queue, b"", b"", 1)) == "<Job H:\N{REPLACEMENT CHARACTER} new>"


class TestLine:
    @given(st.lists(st.sampled_from(["append", "prepend", "first", "middle", "last"])))
    def test_keeps_its_order_after_any_removals(self, steps: list[str]) -> None:
        queue = FunctionQueue(b"f", FunctionPolicy())
        line, expected = Line(), list[Job]()
        for number, step in enumerate(steps):
            job = Job(number, b"H:a:%d" % number, queue, b"", b"", 1)
            if step == "append":
                line.append(job)
                expected.append(job)
            elif step == "prepend":
                line.prepend(job)
                expected.insert(0, job)
            elif expected:
                line.remove(expected.pop({"first": 0, "middle": len(expected) // 2, "last": -1}[step]))

            assert line.size == len(expected)
            assert forward(line) == expected
            assert backward(line) == expected[::-1]


def forward(line: Line) -> list[Job]:
    jobs, job = [], line.head
    while job is not None:
        jobs.append(job)
        job = job.next
    return jobs


def backward(line: Line) -> list[Job]:
    jobs, job = [], line.tail
    while job is not None:
        jobs.append(job)
        job = job.previous
    return jobs


class TestTransitions:
    @pytest.mark.parametrize("state", JobState)
    @pytest.mark.parametrize("event", Event)
    def test_lead_where_the_table_says_and_nowhere_else(self, state: JobState, event: Event) -> None:
        following = TRANSITIONS.get((state, event))
        if following is not None:
            assert next_state(state, event) == following
        else:
            with pytest.raises(AssertionError, match=f"a job that is {state.name} does not meet {event.name}"):
                next_state(state, event)

    def test_an_ended_job_has_no_events(self) -> None:
        assert not [event for state, event in TRANSITIONS if state is JobState.ENDED]
        assert {event for (_, event), state in TRANSITIONS.items() if state is JobState.ENDED} == set(OUTCOMES)


class TestOutbox:
    def test_several_packets_may_exceed_the_limit(self, wire: Wire) -> None:
        peer = wire.connect().peer
        for _ in range(2):
            peer.send_bytes(bytes(100))

        assert peer.outbox.exceeds(199)
        assert not peer.outbox.exceeds(200)
        assert peer.outbox.take() == [bytes(200)]
        assert not peer.outbox.exceeds(0)

    def test_one_packet_never_exceeds_the_limit(self, wire: Wire) -> None:
        peer = wire.connect().peer

        peer.send_bytes(bytes(100))

        assert not peer.outbox.exceeds(99)

    def test_large_data_is_passed_on_by_reference(self, wire: Wire) -> None:
        peer, others = wire.connect().peer, [wire.connect().peer for _ in range(2)]
        data = bytes(SHARED)
        for each in (peer, *others):
            each.send(Command.WORK_DATA, data)
            each.send(Command.ECHO_RES, b"x")

        sent = [each.outbox.take() for each in (peer, *others)]

        assert all(segments[1] is data for segments in sent)
        assert all(len(segments) == 3 for segments in sent)
        assert b"".join(sent[0]) == response(Command.WORK_DATA, data) + response(Command.ECHO_RES, b"x")

    @pytest.mark.parametrize("size", [1, SHARED])
    @pytest.mark.parametrize("is_stored", [True, False])
    def test_replies_after_a_promise_wait_and_keep_their_order(self, wire: Wire, size: int, is_stored: bool) -> None:
        peer = wire.connect().peer
        outbox, error, data = peer.outbox, response(Command.ERROR, b"QUEUE_ERROR", b"no"), bytes(size)
        peer.send(Command.ECHO_RES, b"before")
        assert outbox.promise(1, Command.JOB_CREATED, b"H:a:1")
        peer.send(Command.WORK_DATA, data)
        assert not outbox.promise(1, Command.JOB_CREATED, b"H:a:2")
        assert outbox.promise(2, Command.JOB_CREATED, b"H:a:3")
        assert b"".join(outbox.take()) == response(Command.ECHO_RES, b"before")
        held = outbox.held_size()

        if is_stored:
            outbox.release(1)
        else:
            outbox.refuse(1, error)

        first, second = (error, error) if not is_stored else (created(1), created(2))
        assert b"".join(outbox.take()) == first + response(Command.WORK_DATA, data) + second
        assert outbox.is_held
        assert outbox.held_size() == len(created(3)) < held
        outbox.release(2)
        assert b"".join(outbox.take()) == created(3)
        assert not outbox.is_held


def created(number: int) -> bytes:
    return response(Command.JOB_CREATED, b"H:a:%d" % number)


def test_the_helpers_of_a_client_are_the_workers_that_run_its_jobs(wire: Wire) -> None:
    client, worker, idle = wire.connect(), wire.connect(), wire.connect()
    for peer in (worker, idle):
        peer.send(Command.CAN_DO, b"f")
    client.submit(b"f")
    client.submit(b"f")
    assert helpers(client.peer) == set()

    worker.send(Command.GRAB_JOB)

    assert helpers(client.peer) == {worker.peer}


def test_the_submissions_of_a_peer_that_wait_for_a_job_are_counted(wire: Wire) -> None:
    clients = [wire.connect() for _ in range(3)]
    counts = []
    for client in (clients[0], clients[1], clients[1]):
        client.submit(b"f", b"u")
        (job,) = client.peer.awaited
        counts.append([count_waits(job, each.peer) for each in clients])

    assert counts == [[1, 0, 0], [1, 1, 0], [1, 2, 0]]


def test_no_peer_waits_for_a_background_job(wire: Wire) -> None:
    client = wire.connect()
    client.submit(b"f", b"u")
    (job,) = client.peer.awaited
    client.submit(b"f", b"u", how=Command.SUBMIT_JOB_BG)
    assert count_waits(job, client.peer) == 1

    client.close()

    assert count_waits(job, client.peer) == 0
