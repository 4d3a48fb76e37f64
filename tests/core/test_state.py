# SPDX-License-Identifier: MIT
"""What core's objects promise by themselves."""

from geartrain.core.state import FunctionQueue
from geartrain.protocol import Command
from geartrain.testing.wire import Wire


def only_queue(wire: Wire) -> FunctionQueue:
    return wire.server._scheduler.queues[b"f"]


def test_jobs_that_end_while_they_wait_leave_nothing_behind(wire: Wire) -> None:
    """Ten thousand clients that come and go must not leave ten thousand places in the queue."""
    client = wire.connect()
    kept = [client.submit(b"f")]
    for _ in range(10_000):
        passer_by = wire.connect()
        passer_by.submit(b"f", b"", b"x")
        passer_by.close()
    kept.append(client.submit(b"f"))

    queue = only_queue(wire)
    assert queue.runnable == 2
    assert sum(len(line) for line in queue._lines) < 200
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
    client, worker = wire.connect(), wire.connect()
    worker.send(Command.CAN_DO, b"f")
    worker.send(Command.SET_CLIENT_ID, b"me")
    client.submit(b"f")
    client.submit(b"f")
    worker.send(Command.GRAB_JOB)

    assert repr(only_queue(wire)) == "<FunctionQueue f: 1 waiting, 1 running, 1 workers>"
    assert repr(worker.peer) == "<Peer 1 127.0.0.1 me>"
    assert [repr(job) for job in wire.server._scheduler.jobs] == [
        "<Job H:localhost:1 running>",
        "<Job H:localhost:2 waiting>",
    ]


def test_packets_that_are_too_much_together_are_not_joined(wire: Wire) -> None:
    peer = wire.connect().peer
    packet = bytes(100)

    peer.send(packet)
    peer.send(packet)
    assert peer.take_outgoing(199) is None
    assert peer.take_outgoing(199) == b"", "they are gone"

    peer.send(packet)
    peer.send(packet)
    assert peer.take_outgoing(200) == bytes(200)


def test_one_packet_is_never_too_much(wire: Wire) -> None:
    peer = wire.connect().peer

    peer.send(bytes(100))

    assert peer.take_outgoing(99) == bytes(100)


def test_the_helpers_of_a_client_are_the_workers_that_run_its_jobs(wire: Wire) -> None:
    client, worker, idle = wire.connect(), wire.connect(), wire.connect()
    for peer in (worker, idle):
        peer.send(Command.CAN_DO, b"f")
    client.submit(b"f")
    client.submit(b"f")
    assert client.peer.helpers() == set()

    worker.send(Command.GRAB_JOB)

    assert client.peer.helpers() == {worker.peer}
