# SPDX-License-Identifier: MIT
"""Every limit on the page of limits: exactly as much is accepted, and one more is not."""

import asyncio
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from geartrain.core import JobServerOptions
from geartrain.core.limits import JOB_WEIGHT
from geartrain.protocol import RESPONSE, Command, request
from geartrain.server import Server
from geartrain.testing import RunningServer, local_options, run_server
from geartrain.testing.wire import Wire, WirePeer
from tests.packets import Packets
from tests.reactor.ends import Reactor, in_loop

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "limits.md"

ACCEPTED = "accepted"
CLOSED = "closed"
CRON = (b"*", b"*", b"*", b"*", b"*")
TIMEOUT = 60.0  # seconds; only a failure takes as long

Attempt = Callable[[int], str]


def answer(peer: WirePeer, command: Command, *arguments: bytes) -> str:
    """Return the code of the error that answers a packet, or that it was accepted."""
    reply = peer.ask(command, *arguments)
    return str(reply[1], "ascii") if reply[0] == Command.ERROR and isinstance(reply[1], bytes) else ACCEPTED


def last_of(answers: list[str]) -> str:
    """Return the last answer; all others accept."""
    assert set(answers[:-1]) <= {ACCEPTED}
    return answers[-1]


# Limits of the core, on a server in memory.


def memory(amount: int) -> str:
    client = Wire(JobServerOptions(max_memory=5_000)).connect()
    return answer(client, Command.SUBMIT_JOB_BG, b"f", b"", bytes(amount - JOB_WEIGHT))


def packet_time(amount: int) -> str:
    wire = Wire(JobServerOptions(packet_timeout=60.0))
    wire.connect().send_bytes(request(Command.SUBMIT_JOB, b"f", b"", bytes(100))[:50])
    wire.tick()
    wire.advance(amount)
    return ACCEPTED if wire.server.memory.peer_to_drop() is None else CLOSED


def functions(amount: int) -> str:
    client = Wire(JobServerOptions(max_functions=3)).connect()
    return last_of([answer(client, Command.SUBMIT_JOB_BG, b"f%d" % number, b"", b"") for number in range(amount)])


def jobs_of_a_connection(amount: int) -> str:
    client = Wire(JobServerOptions(max_jobs_per_connection=3)).connect()
    return last_of([answer(client, Command.SUBMIT_JOB, b"f", b"", b"") for _ in range(amount)])


def function_name(amount: int) -> str:
    return answer(Wire().connect(), Command.SUBMIT_JOB_BG, b"f" * amount, b"", b"")


def unique(amount: int) -> str:
    answers = {
        answer(Wire().connect(), Command.SUBMIT_JOB_BG, b"f", b"u" * amount, b""),
        answer(Wire().connect(), Command.SUBMIT_JOB_SCHED, b"f", b"u" * amount, *CRON, b""),
    }
    [code] = answers
    return code


def reducer(amount: int) -> str:
    return answer(Wire().connect(), Command.SUBMIT_REDUCE_JOB_BACKGROUND, b"f", b"", b"r" * amount, b"", b"")


def client_id(amount: int) -> str:
    wire = Wire()
    peer = wire.connect()
    peer.send(Command.SET_CLIENT_ID, b"i" * amount)
    return ACCEPTED if f" {'i' * amount} " in wire.connect().say("workers") else "cut"


def waits_for_a_job(amount: int) -> str:
    client = Wire().connect()
    return last_of([answer(client, Command.SUBMIT_JOB, b"f", b"u", b"") for _ in range(amount)])


def cron_field(amount: int) -> str:
    minutes = b"0," * ((amount - 1) // 2) + (b"0" if amount % 2 else b"10")
    return answer(Wire().connect(), Command.SUBMIT_JOB_SCHED, b"f", b"u", minutes, *CRON[1:], b"")


# Limits of connections, on sockets.


def connected(server: RunningServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), TIMEOUT)


def echo(server: RunningServer, stack: ExitStack) -> str:
    """Return the answer to the echo of a new connection, which stays open."""
    return say(stack.enter_context(connected(server)), request(Command.ECHO_REQ, b"x"))


def say(peer: socket.socket, data: bytes) -> str:
    """Return the code of the error that answers data, after which the connection is closed, or that it was accepted."""
    peer.sendall(data)
    packets = Packets(RESPONSE)
    while received := peer.recv(65536):
        for command, arguments in packets.receive(received):
            if command == Command.ERROR:
                assert peer.recv(1) == b"", "the connection is closed"
                return arguments[0].decode()
            if command == Command.ECHO_RES:
                return ACCEPTED
    return CLOSED


def connections(amount: int) -> str:
    with run_server(max_connections=3) as server, ExitStack() as stack:
        return last_of([echo(server, stack) for _ in range(amount)])


def connections_of_an_address(amount: int) -> str:
    with run_server(max_connections_per_address=3) as server, ExitStack() as stack:
        return last_of([echo(server, stack) for _ in range(amount)])


def text_line(amount: int) -> str:
    with run_server(max_text_line=100) as server, connected(server) as peer:
        peer.sendall(b"version" + b" " * (amount - len(b"version\n")) + b"\n")
        answer = peer.makefile("rb").readline()
        return ACCEPTED if answer.startswith(b"OK ") else answer.split()[1].decode()


def packet_size(amount: int) -> str:
    with run_server(max_packet_size=1_000) as server, connected(server) as peer:
        return say(peer, request(Command.ECHO_REQ, bytes(amount)))


def admin_only_connections(amount: int) -> str:
    """Text commands are answered, and a connection beyond that gets an error at once."""
    with run_server(max_connections=1) as server, ExitStack() as stack:
        assert echo(server, stack) == ACCEPTED
        answers = []
        for _ in range(amount):
            peer = stack.enter_context(connected(server))
            peer.sendall(b"version\n")
            answers.append(ACCEPTED if peer.recv(3) == b"OK " else "TOO_MANY_CONNECTIONS")
        return last_of(answers)


# Limits of what waits for a peer, on connections without sockets.


def unsent(amount: int) -> str:
    async def scenario() -> str:
        reactor = Reactor(max_unsent=1_000_000)
        client, worker = reactor.connect(), reactor.connect()
        handle = reactor.run_job(client, worker)
        client.connection.pause_writing()
        head = len(request(Command.WORK_DATA, handle, b""))
        worker.send(Command.WORK_DATA, handle, bytes(amount - head))
        return CLOSED if "abort" in client.transport.calls else ACCEPTED

    return in_loop(scenario)


def unsent_without_back_pressure(amount: int) -> str:
    async def scenario() -> str:
        async with Server(local_options()) as server, server.connect() as client, server.connect() as worker:
            await client.send(request(Command.SUBMIT_JOB, b"f", b"", b""))
            [(_, [handle])] = Packets(RESPONSE).receive(await client.receive())
            await worker.send(request(Command.CAN_DO, b"f") + request(Command.GRAB_JOB))
            await worker.receive()
            head = len(request(Command.WORK_DATA, handle, b""))
            await worker.send(request(Command.WORK_DATA, handle, bytes(amount - head)))
            for _ in range(3):  # the data is sent at the end of this turn, or of the next one
                await asyncio.sleep(0)
            return ACCEPTED if worker.is_reading else "paused"

    return asyncio.run(scenario())


def queue(amount: int) -> str:
    client = Wire().connect()
    assert client.say("create function f") == "OK\r\n"
    assert client.say("maxqueue f 3") == "OK\r\n"
    return last_of([answer(client, Command.SUBMIT_JOB_BG, b"f", b"", b"") for _ in range(amount)])


# The rows of the tables on the page, and sentences of its text.
ROWS: dict[str, tuple[Attempt, int, str]] = {
    "--max-memory": (memory, 5_000, "QUEUE_ERROR"),
    "--packet-timeout": (packet_time, 60, CLOSED),
    "--max-functions": (functions, 3, "QUEUE_ERROR"),
    "--max-jobs-per-connection": (jobs_of_a_connection, 3, "QUEUE_ERROR"),
    "--max-connections": (connections, 3, "TOO_MANY_CONNECTIONS"),
    "--max-connections-per-address": (connections_of_an_address, 3, "TOO_MANY_CONNECTIONS"),
    "--max-text-line": (text_line, 100, "ARGUMENT_TOO_LARGE"),
    "--max-packet-size": (packet_size, 1_000, "ARGUMENT_TOO_LARGE"),
    "--max-unsent": (unsent, 1_000_000, CLOSED),
    "name of a function": (function_name, 8_000, "ARGUMENT_TOO_LARGE"),
    "unique": (unique, 64, "ARGUMENT_TOO_LARGE"),
    "name of a reducer": (reducer, 64, "ARGUMENT_TOO_LARGE"),
    "client id": (client_id, 127, "cut"),
    "submissions of one connection that wait for the same job": (waits_for_a_job, 1_024, "QUEUE_ERROR"),
    "field of a cron line": (cron_field, 200, "INVALID_ARGUMENT"),
}
SENTENCES: dict[str, tuple[Attempt, int, str]] = {
    "`gearadmin --maxqueue` limits a single queue": (queue, 3, "QUEUE_ERROR"),
    "Each time that 16 MiB more wait for a client": (unsent_without_back_pressure, 16 << 20, "paused"),
    "the server accepts four more connections": (admin_only_connections, 4, "TOO_MANY_CONNECTIONS"),
}


def test_the_tables_of_the_page_have_these_rows() -> None:
    rows = re.findall(r"^\| (.+?) \|", PAGE.read_text(), re.MULTILINE)

    assert [row.strip("`") for row in rows if row not in ("---", "Option", "Subject")] == list(ROWS)


def test_the_text_of_the_page_has_these_sentences() -> None:
    text = " ".join(PAGE.read_text().split())

    assert [sentence for sentence in SENTENCES if sentence not in text] == []


@pytest.mark.parametrize("name", [*ROWS, *SENTENCES])
def test_a_limit_can_be_reached_and_not_exceeded(name: str) -> None:
    attempt, limit, error = {**ROWS, **SENTENCES}[name]

    assert attempt(limit) == ACCEPTED
    assert attempt(limit + 1) == error
