# SPDX-License-Identifier: MIT
"""The bytes between a socket and a session."""

import socket
import threading
from collections.abc import Iterator

import pytest

from geartrain.errors import ConnectionLost
from geartrain.protocol import REQUEST, Command, response
from geartrain.worker.session import WorkerSession
from geartrain.worker.sync.connection import HIGH_WATER, WorkerConnection
from tests.packets import Packets


@pytest.fixture
def pair() -> Iterator[tuple[WorkerConnection, socket.socket]]:
    near, far = socket.socketpair()
    connection = WorkerConnection(near, WorkerSession([(b"f", None)], b"", 0.0))
    with far:
        yield connection, far
    connection.close()


def test_bytes_go_both_ways(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, far = pair
    connection.flush()
    assert [command for command, _ in Packets(REQUEST).receive(far.recv(4096))] == [Command.CAN_DO, Command.ECHO_REQ]

    far.sendall(response(Command.ECHO_RES, b"ready?"))
    assert connection.read() == response(Command.ECHO_RES, b"ready?")
    assert connection.read() == b""


def test_the_end_is_noticed(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, far = pair
    far.close()

    with pytest.raises(ConnectionLost):
        connection.read()
    with pytest.raises(ConnectionLost):
        connection.flush()


def test_data_waits_for_a_slow_server(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, far = pair
    connection.session.report(Command.WORK_DATA, b"H:1", bytes(4_000_000))

    connection.flush()
    assert connection.is_sending
    received = 0
    while connection.is_sending:
        received += len(far.recv(1_000_000))
        connection.flush()

    assert received + len(far.recv(1_000_000)) > 4_000_000


def test_a_job_that_sends_more_is_held_up_until_there_is_room(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, _ = pair
    connection.wait_for_room(HIGH_WATER)
    thread = threading.Thread(target=connection.wait_for_room, args=(1,))
    thread.start()
    assert thread.is_alive()

    connection.flush()
    thread.join(30)

    assert not thread.is_alive()


def test_a_job_is_not_held_up_by_a_lost_connection(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, _ = pair
    connection.wait_for_room(HIGH_WATER)
    connection.close()

    connection.wait_for_room(1)


def test_a_farewell_says_what_is_left_and_takes_what_still_comes(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, far = pair
    connection.flush()
    far.recv(4096)
    connection.session.report(Command.WORK_COMPLETE, b"H:1", b"result")
    far.sendall(response(Command.NOOP))
    thread = threading.Thread(target=connection.leave)
    thread.start()

    assert list(Packets(REQUEST).receive(far.recv(4096))) == [(Command.WORK_COMPLETE, [b"H:1", b"result"])]
    assert far.recv(4096) == b""
    far.close()
    thread.join(30)
    assert connection.is_lost


def test_after_its_end_the_server_gets_what_was_sent_and_its_answers_are_ignored(
    pair: tuple[WorkerConnection, socket.socket],
) -> None:
    connection, far = pair
    connection.flush()

    connection.end()
    connection.end()

    far.sendall(response(Command.NOOP))
    assert connection.read() == b""
    assert [command for command, _ in Packets(REQUEST).receive(far.recv(4096))] == [Command.CAN_DO, Command.ECHO_REQ]
    assert far.recv(4096) == b""


def test_a_connection_with_unsent_bytes_does_not_end_yet(pair: tuple[WorkerConnection, socket.socket]) -> None:
    connection, far = pair
    while not connection.is_sending:
        connection.session.report(Command.WORK_DATA, b"H:1", bytes(HIGH_WATER))
        connection.flush()

    connection.end()

    assert not connection.is_ending
    far.setblocking(False)
    while connection.is_sending:
        far.recv(HIGH_WATER)
        connection.flush()
    connection.end()
    assert connection.is_ending
