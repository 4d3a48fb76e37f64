# SPDX-License-Identifier: MIT
"""The packets of programs that cannot be installed here, byte for byte."""

import socket
from collections.abc import Iterator

import pytest

from geartrain.protocol import Command, Packet, request
from geartrain.protocol.packets import RESPONSE
from geartrain.testing import ServerProcess
from tests.interop.conftest import AnyServer
from tests.interop.programs import TIMEOUT
from tests.interop.workers import our_worker
from tests.packets import Packets

pytestmark = pytest.mark.interop


class Wire:
    """A connection of such a program."""

    def __init__(self, server: AnyServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
        self._packets = self._receive()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, *packets: bytes) -> None:
        self._socket.sendall(b"".join(packets))

    def take(self) -> Packet:
        return next(self._packets)

    def _receive(self) -> Iterator[Packet]:
        parser = Packets(RESPONSE, 1 << 20)
        while data := self._socket.recv(65536):
            yield from parser.receive(data)


def test_one_read_has_the_replies_to_two_commands(ours: ServerProcess) -> None:
    """The tools gearman_top and check_gearman send both at once, and read once."""
    with our_worker(ours.address), Wire(ours) as wire:
        wire.send(request(Command.SUBMIT_JOB, b"echo", b"", b"x"))
        assert [wire.take()[0], wire.take()[0]] == [Command.JOB_CREATED, Command.WORK_COMPLETE]
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", ours.port), TIMEOUT) as sock:
                sock.sendall(b"status\nversion\n")
                reply = sock.recv(65535)

            listed, _, version = reply.partition(b"\n.\n")
            assert b"echo\t0\t0\t1" in listed.splitlines()
            assert version.startswith(b"OK ")
            assert version.endswith(b"\n")


def test_every_row_has_the_columns_that_monitors_count(server: AnyServer) -> None:
    with our_worker(server.address), Wire(server) as wire:
        wire.send(request(Command.SUBMIT_JOB, b"echo", b"", b"x"))
        wire.take()
        wire.take()
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as sock, sock.makefile("rb") as replies:
            sock.sendall(b"status\nworkers\n")
            status = list(iter(replies.readline, b".\n"))
            workers = list(iter(replies.readline, b".\n"))

    assert all(len(row.split(b"\t")) == 4 for row in status)
    for row in workers:
        who, _, functions = row.rstrip(b"\n").partition(b" :")
        assert len(who.split(b" ")) == 3
        assert functions == b"" or functions.startswith(b" ")


def test_a_worker_that_answers_noop_with_pre_sleep_is_woken_again(ours: ServerProcess) -> None:
    """It is python-gearman that answers so, while it runs a job of another server; gearmand never wakes it again."""
    with Wire(ours) as worker, Wire(ours) as client:
        worker.send(request(Command.CAN_DO, b"f"), request(Command.PRE_SLEEP), request(Command.ECHO_REQ, b"asleep"))
        assert worker.take()[0] == Command.ECHO_RES
        client.send(request(Command.SUBMIT_JOB_BG, b"f", b"", b"1"))
        assert worker.take()[0] == Command.NOOP

        worker.send(request(Command.PRE_SLEEP))
        assert worker.take()[0] == Command.NOOP
        client.send(request(Command.SUBMIT_JOB_BG, b"f", b"", b"2"))
        worker.send(request(Command.PRE_SLEEP))
        assert worker.take()[0] == Command.NOOP

        worker.send(request(Command.GRAB_JOB_UNIQ))
        command, arguments = worker.take()
        while command == Command.NOOP:
            command, arguments = worker.take()
        assert (command, arguments[1:]) == (Command.JOB_ASSIGN_UNIQ, [b"f", b"", b"1"])


def test_grab_job_all_is_answered_with_the_reducer_if_there_is_one(server: AnyServer) -> None:
    with Wire(server) as client, Wire(server) as worker:
        client.send(
            request(Command.SUBMIT_REDUCE_JOB_BACKGROUND, b"f", b"u", b"reducer", b"", b"data"),
            request(Command.SUBMIT_JOB_BG, b"f", b"v", b"plain"),
        )
        assert [client.take()[0], client.take()[0]] == [Command.JOB_CREATED] * 2
        worker.send(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB_ALL), request(Command.GRAB_JOB_ALL))

        (first, (_, *rest)), (second, (_, *other)) = worker.take(), worker.take()
        assert (first, rest) == (Command.JOB_ASSIGN_ALL, [b"f", b"u", b"reducer", b"data"])
        assert (second, other) == (Command.JOB_ASSIGN_UNIQ, [b"f", b"v", b"plain"])


def test_a_failure_after_an_exception_is_ignored(ours: ServerProcess) -> None:
    with Wire(ours) as client, Wire(ours) as worker:
        client.send(request(Command.SUBMIT_JOB, b"f", b"", b"x"))
        handle = client.take()[1][0]
        worker.send(request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
        assert worker.take()[0] == Command.JOB_ASSIGN
        worker.send(
            request(Command.WORK_EXCEPTION, handle, b"because"),
            request(Command.WORK_FAIL, handle),
            request(Command.GRAB_JOB),
        )

        assert worker.take() == (Command.NO_JOB, [])
        assert client.take() == (Command.WORK_FAIL, [handle])


def test_pipelined_submissions_are_answered_in_their_order(server: AnyServer) -> None:
    with Wire(server) as client:
        client.send(*(request(Command.SUBMIT_JOB_BG, b"f", b"", b"%d" % number) for number in range(10_000)))
        handles = [client.take()[1][0] for _ in range(10_000)]

    numbers = [int(handle.rpartition(b":")[2]) for handle in handles]
    assert numbers == list(range(1, 10_001))
