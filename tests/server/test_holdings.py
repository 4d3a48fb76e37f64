# SPDX-License-Identifier: MIT
"""Peers on real sockets that make a server hold more than its memory limit are dropped, and others are served."""

import socket

import pytest

from geartrain import Client, JobException, Worker
from geartrain.protocol import Command
from geartrain.protocol.packets import request
from geartrain.testing import RunningServer
from tests.server.servers import RunServer

MOST = 8 << 20
PACKET = request(Command.SUBMIT_JOB, b"f", b"", bytes(4 << 20))


def connect(server: RunningServer) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def ends(connection: socket.socket) -> bool:
    """Tell whether the server has ended a connection on which it answers nothing."""
    connection.settimeout(0.0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_half_received_packets_do_not_exceed_the_memory_limit(run_server: RunServer) -> None:
    with run_server(max_memory=MOST) as server, connect(server) as other:
        halves = [connect(server) for _ in range(6)]
        for half in halves:
            try:
                half.sendall(PACKET[:-1])
            except ConnectionError:
                continue  # dropped meanwhile, as too much was held

        while sum(map(ends, halves)) < 4:
            other.sendall(request(Command.ECHO_REQ, b"x"))
            assert other.recv(100).endswith(b"x")
        for half in halves:
            half.close()


def test_a_packet_that_is_never_complete_ends_its_connection(run_server: RunServer) -> None:
    with run_server(packet_timeout=0.1) as server, connect(server) as slow:
        slow.sendall(PACKET[:20])

        assert slow.recv(1) == b""


def test_input_in_front_of_the_end_of_a_connection_is_handled(run_server: RunServer) -> None:
    count = 20_000
    with run_server() as server, connect(server) as client:
        client.sendall(request(Command.ECHO_REQ, b"x") * count)
        client.shutdown(socket.SHUT_WR)

        received = 0
        while data := client.recv(1 << 20):
            received += len(data)

        assert received == count * len(request(Command.ECHO_REQ, b"x"))


def test_a_result_without_room_ends_its_job_and_not_its_worker(run_server: RunServer) -> None:
    with run_server(max_memory=MOST) as server, Client(server.address) as client:
        worker = Worker(server.address, max_jobs=2)
        worker.add_function("f", lambda job: bytes(int(job.workload)))
        large = client.submit("f", str(2 * MOST))
        small = client.submit("f", "2")
        worker.run()

        with pytest.raises(JobException, match=rf"Too much memory for a result of \d+ bytes \(limit {MOST} bytes\)"):
            large.result(60.0)
        assert small.result(60.0) == bytes(2)


def test_a_result_beyond_the_size_of_packets_ends_its_job(run_server: RunServer) -> None:
    with run_server(max_packet_size=1 << 20) as server, Client(server.address) as client:
        worker = Worker(server.address, max_jobs=2)
        worker.add_function("f", lambda job: bytes(int(job.workload)))
        large = client.submit("f", str(2 << 20))
        small = client.submit("f", "2")
        worker.run()

        with pytest.raises(JobException, match=r"a packet may have 1048576 bytes, not \d+ as this WORK_COMPLETE"):
            large.result(60.0)
        assert small.result(60.0) == bytes(2)
