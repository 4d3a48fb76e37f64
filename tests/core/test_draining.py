# SPDX-License-Identifier: MIT
"""Draining: running jobs end, and all other peers are disconnected."""

import pytest

from geartrain.core import Durability, JobServerOptions
from geartrain.core.record import JobRecord
from geartrain.core.retirement import PORTION
from geartrain.protocol import Command, request
from geartrain.testing.wire import Wire, WirePeer
from tests.core.batches import take

DURABLE = JobServerOptions(durability=Durability.COMMIT)


@pytest.fixture
def client(wire: Wire) -> WirePeer:
    return wire.connect()


@pytest.fixture
def worker(wire: Wire) -> WirePeer:
    return worker_of(wire)


def worker_of(wire: Wire) -> WirePeer:
    worker = wire.connect()
    worker.send(Command.CAN_DO, b"f")
    return worker


def drain(wire: Wire) -> None:
    """Drain the server, and end a turn."""
    wire.server.drain()
    wire.server.take_dirty()


def run_one(client: WirePeer, worker: WirePeer) -> bytes:
    """Let a worker run a job of a client, and return its handle."""
    handle = client.submit(b"f")
    worker.send(Command.GRAB_JOB)
    assert (Command.JOB_ASSIGN, handle, b"f", b"") in worker.packets()
    return handle


def test_a_running_job_ends_and_then_its_peers_are_disconnected(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    handle = run_one(client, worker)
    drain(wire)
    assert wire.server.running() == {b"f": 1}
    assert not client.is_closed
    assert not worker.is_closed

    worker.send(Command.WORK_COMPLETE, handle, b"result")
    worker.send(Command.GRAB_JOB)
    wire.server.take_dirty()

    assert client.packets() == [(Command.WORK_COMPLETE, handle, b"result")]
    assert worker.packets() == [(Command.NO_JOB,)]
    assert client.is_closed
    assert worker.is_closed
    assert wire.server.running() == {}


def test_other_peers_are_disconnected_at_once(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    waiting = wire.connect()
    waiting.submit(b"unserved")
    worker.send(Command.PRE_SLEEP)

    drain(wire)

    assert all(peer.is_closed for peer in (client, worker, waiting))
    assert not wire.server.has_work, "only its client waited for the job, which can submit it elsewhere"


def test_no_further_job_is_assigned(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    """Neither a worker that grabs nor one that registers again gets a job, and no worker is woken."""
    run_one(client, worker)
    client.submit(b"f", how=Command.SUBMIT_JOB_BG)
    drain(wire)

    for command in (Command.CAN_DO, Command.CAN_DO_TIMEOUT, Command.GRAB_JOB, Command.PRE_SLEEP):
        worker.send(command, *{Command.CAN_DO: [b"f"], Command.CAN_DO_TIMEOUT: [b"f", b"1"]}.get(command, []))

    assert worker.packets() == [(Command.NO_JOB,)]


def test_held_grabs_are_answered(wire: Wire) -> None:
    """Each worker that is retired wakes the next one for the jobs, as long as there is one."""
    wire.connect().submit(b"g", how=Command.SUBMIT_JOB_BG)
    asking = [worker_of(wire) for _ in range(2)]
    for worker in asking:
        worker.send(Command.OPTION_REQ, b"long-poll")
        worker.send(Command.GRAB_JOB_ALL)
        worker.packets()

    drain(wire)

    assert [worker.packets() for worker in asking] == [[(Command.NO_JOB,)]] * 2
    assert all(worker.is_closed for worker in asking)


def test_a_submission_is_not_answered_so_that_the_client_can_use_another_server(
    wire: Wire, client: WirePeer, worker: WirePeer
) -> None:
    handle = run_one(client, worker)
    late = wire.connect()
    drain(wire)
    also_late = wire.connect()

    client.send(Command.SUBMIT_JOB, b"f", b"", b"")
    client.send(Command.ECHO_REQ, b"behind it")
    also_late.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
    wire.server.take_dirty()
    assert late.is_closed
    assert also_late.is_closed
    assert wire.server.is_waiting(client.peer)
    worker.send(Command.WORK_COMPLETE, handle, b"")
    wire.server.take_dirty()

    assert client.packets() == [(Command.WORK_COMPLETE, handle, b"")]
    assert client.is_closed
    assert also_late.packets() == []


def test_no_packet_after_such_a_submission_is_handled(wire: Wire, client: WirePeer) -> None:
    drain(wire)
    late = wire.connect()

    late.send_bytes(request(Command.SUBMIT_JOB, b"f", b"", b"") + request(Command.ECHO_REQ, b"behind it"))

    assert late.packets() == []


def test_a_peer_that_runs_a_job_may_submit_others_to_finish_it(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    handle = run_one(client, worker)
    drain(wire)

    worker.submit(b"g")
    worker.send(Command.WORK_COMPLETE, handle, b"")

    assert client.packets() == [(Command.WORK_COMPLETE, handle, b"")]


def test_the_server_does_not_wait_for_the_job_of_a_lost_worker(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    run_one(client, worker)
    other = worker_of(wire)
    other.send(Command.PRE_SLEEP)
    drain(wire)

    worker.close()

    assert wire.server.running() == {}
    assert other.packets() == []


def test_a_worker_is_not_woken_for_the_job_of_a_lost_worker(wire: Wire, client: WirePeer, worker: WirePeer) -> None:
    """There are so many peers that those of the last ones sleep as before."""
    client.submit(b"f", how=Command.SUBMIT_JOB_BG)
    worker.send(Command.GRAB_JOB)
    idle = [wire.connect() for _ in range(PORTION)]
    other = worker_of(wire)
    other.send(Command.PRE_SLEEP)
    drain(wire)
    assert idle[0].is_closed
    assert other.peer.is_asleep

    worker.close()

    assert wire.connect().say("status") == "f\t1\t0\t1\n.\n"
    assert other.packets() == []


def test_background_jobs_are_counted_as_stored_or_not() -> None:
    wire = Wire(DURABLE)
    client = wire.connect()
    for _ in range(3):
        client.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
    client.send(Command.SUBMIT_JOB_SCHED, b"f", b"", b"0", b"*", b"*", b"*", b"*", b"")
    client.send(Command.SUBMIT_JOB, b"f", b"", b"")
    assert wire.server.commit_queue.pending == 4
    take(wire.server.commit_queue)
    client.send(Command.SUBMIT_JOB_BG, b"f", b"", b"")
    assert wire.server.commit_queue.pending == 5
    wire.server.commit_queue.committed()
    assert wire.server.commit_queue.pending == 1

    assert wire.server.background_jobs() == (5, 0)
    in_memory = Wire()
    in_memory.connect().submit(b"f", how=Command.SUBMIT_JOB_BG)
    assert in_memory.server.background_jobs() == (0, 1)


def test_restored_jobs_are_not_assigned_either() -> None:
    wire = Wire(DURABLE)
    wire.server.begin_restoring(10)
    client, worker = wire.connect(), worker_of(wire)
    client.send(Command.SUBMIT_JOB, b"f", b"", b"")
    worker.send(Command.PRE_SLEEP)
    drain(wire)

    wire.server.restore([JobRecord(1, b"H:localhost:1", b"f", b"", 1, b"")])
    wire.server.end_restoring()

    assert worker.packets() == []
    assert client.packets() == []
    assert client.is_closed
    assert wire.server.background_jobs() == (1, 0)


@pytest.mark.parametrize("packet", [(Command.CAN_DO, b"g"), (Command.CAN_DO_TIMEOUT, b"g", b"1")])
def test_no_function_is_registered(
    wire: Wire, client: WirePeer, worker: WirePeer, packet: tuple[Command, *tuple[bytes, ...]]
) -> None:
    run_one(client, worker)
    drain(wire)

    command, *arguments = packet
    worker.send(command, *arguments)

    assert not worker.peer.abilities
