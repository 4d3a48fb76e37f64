# SPDX-License-Identifier: MIT
"""Absence of reference cycles in a server on real sockets, with the event loop of the command."""

import gc
import socket
import subprocess
import sys

import pytest

from geartrain.protocol import Command, Packet, request
from geartrain.protocol.packets import RESPONSE
from geartrain.testing import run_server
from tests.packets import Packets

ROUNDS = 50


def read(wire: socket.socket, parser: Packets, *expected: Command) -> list[Packet]:
    """Return packets up to the last of the expected ones, in that order."""
    packets: list[Packet] = []
    while len(packets) < len(expected):
        data = wire.recv(65535)
        assert data, "the server closed the connection early"
        packets += parser.receive(data)
    assert [command for command, _ in packets] == list(expected)
    return packets


def work(address: tuple[str, int]) -> None:
    """Run jobs over connections that end."""
    with socket.create_connection(address, 20) as client, socket.create_connection(address, 20) as worker:
        to_client, to_worker = Packets(RESPONSE), Packets(RESPONSE)
        worker.sendall(request(Command.CAN_DO, b"f") + request(Command.PRE_SLEEP) + request(Command.ECHO_REQ, b""))
        read(worker, to_worker, Command.ECHO_RES)
        client.sendall(request(Command.SUBMIT_JOB, b"f", b"u", b"w"))
        read(client, to_client, Command.JOB_CREATED)
        read(worker, to_worker, Command.NOOP)
        worker.sendall(request(Command.GRAB_JOB))
        ((_, arguments),) = read(worker, to_worker, Command.JOB_ASSIGN)
        worker.sendall(request(Command.WORK_DATA, arguments[0], b"part"))
        worker.sendall(request(Command.WORK_COMPLETE, arguments[0], b"whole"))
        read(client, to_client, Command.WORK_DATA, Command.WORK_COMPLETE)
        client.sendall(b"status\n")
        assert client.recv(65535).startswith(b"f\t")


def test_a_server_makes_no_reference_cycles() -> None:
    pytest.importorskip("uvloop")  # the transports of the standard loop are cycles
    # In a process of its own: garbage of earlier tests would be found here.
    process = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, timeout=60, check=False)

    assert (process.stderr, process.stdout) == ("", "[]\n")


def main() -> None:
    """Print the garbage of a server that has run jobs."""
    with run_server() as server:
        address = (server.host, server.port)
        work(address)
        gc.collect()
        gc.disable()
        for _ in range(ROUNDS):
            work(address)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = [repr(type(each)) for each in gc.garbage]
        gc.set_debug(0)
    print(found)


if __name__ == "__main__":
    main()
