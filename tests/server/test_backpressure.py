# SPDX-License-Identifier: MIT
"""Back-pressure: a client that reads slowly slows down its own workers for a while."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator

import pytest

from geartrain.protocol import RESPONSE, Command, Packet, request
from geartrain.reactor.backpressure import STEP
from geartrain.server import LocalPeer, Server
from geartrain.testing import RunningServer, local_options
from tests.packets import Packets
from tests.server.servers import RunServer

TIMEOUT = 60.0
PIECE = 1 << 20
MUCH = 96  # pieces
FOR_EVER = 3600.0
ECHO = request(Command.ECHO_REQ, b"x")


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, TIMEOUT))


async def turn_until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110  # it only takes turns of the event loop
        await asyncio.sleep(0)


async def answer(peer: LocalPeer, *packets: bytes) -> list[bytes]:
    """Return the arguments of the answer to a packet."""
    await peer.send(b"".join(packets))
    (packet,) = Packets(RESPONSE).receive(await peer.receive())
    return packet[1]


async def run_job(client: LocalPeer, worker: LocalPeer) -> bytes:
    """Return the handle of a job of the client that the worker runs."""
    handle, *_ = await answer(client, request(Command.SUBMIT_JOB, b"f", b"", b""))
    await answer(worker, request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
    return handle


async def fill(worker: LocalPeer, handle: bytes) -> int:
    """Send data of a job until the worker has to wait, and return the number of pieces."""
    sent = 0
    while worker.is_reading:
        await worker.send(request(Command.WORK_DATA, handle, bytes(PIECE)))
        await turn_until_flushed()
        sent += 1
    return sent


async def turn_until_flushed() -> None:
    for _ in range(3):  # data is sent at the end of this turn, or of the next one
        await asyncio.sleep(0)


class TestWorkers:
    """Workers of a client that reads nothing, with connections inside the process."""

    def test_wait_until_the_client_has_caught_up(self) -> None:
        async def scenario() -> None:
            async with (
                Server(local_options(backpressure_time=FOR_EVER)) as server,
                server.connect() as client,
                server.connect() as worker,
                server.connect() as stranger,
                server.connect() as other,
            ):
                await run_job(stranger, other)
                handle = await run_job(client, worker)
                sent = await fill(worker, handle)
                assert PIECE * sent >= STEP
                assert other.is_reading

                await client.receive()
                await turn_until(lambda: worker.is_reading)

        run(scenario())

    def test_go_on_after_a_while_until_as_much_again_has_piled_up(self) -> None:
        async def scenario() -> None:
            async with (
                Server(local_options(backpressure_time=0.001)) as server,
                server.connect() as client,
                server.connect() as worker,
            ):
                handle = await run_job(client, worker)
                first = await fill(worker, handle)
                await turn_until(lambda: worker.is_reading)
                second = await fill(worker, handle)

                assert PIECE * first >= STEP
                assert PIECE * second >= STEP

        run(scenario())

    def test_with_jobs_of_two_clients_wait_for_both(self) -> None:
        async def scenario() -> None:
            async with (
                Server(local_options(backpressure_time=FOR_EVER)) as server,
                server.connect() as first,
                server.connect() as second,
                server.connect() as busy,
                server.connect() as helper,
            ):
                handles = [await run_job(client, busy) for client in (first, second)]
                shared = await answer(second, request(Command.SUBMIT_JOB, b"g", b"", b""))
                await answer(helper, request(Command.CAN_DO, b"g"), request(Command.GRAB_JOB))
                await fill(helper, shared[0])  # the second client is slow already
                assert not busy.is_reading, "as it has a job of that client too"
                await second.receive()
                await turn_until(lambda: busy.is_reading)

                await fill(busy, handles[0])
                await fill(helper, shared[0])
                await second.receive()
                await turn_until(lambda: helper.is_reading)
                assert not busy.is_reading
                await first.receive()
                await turn_until(lambda: busy.is_reading)

        run(scenario())

    def test_may_disconnect_while_they_wait(self) -> None:
        async def scenario() -> None:
            async with Server(local_options(backpressure_time=FOR_EVER)) as server, server.connect() as client:
                async with server.connect() as worker:
                    await fill(worker, await run_job(client, worker))

                assert await client.receive()
                assert await answer(client, ECHO) == [b"x"]

        run(scenario())


class TestOnRealSockets:
    def test_a_worker_waits_until_the_client_reads(self, run_server: RunServer, held: threading.Event) -> None:
        """The log shows the pause: the bytes that were sent do not, as kernel buffers may hold 32 MiB."""
        with (
            run_server(backpressure_time=FOR_EVER) as server,
            connected(server) as client,
            connected(server) as worker,
            connected(server) as other,
        ):
            data = request(Command.WORK_DATA, run_one(client, worker), bytes(PIECE))
            sending = begin_sending(worker, data * MUCH)
            assert held.wait(TIMEOUT)
            assert ask(other, ECHO) == (Command.ECHO_RES, [b"x"])

            received = 0
            while received < len(data) * MUCH:
                received += len(client.recv(PIECE))
            sending.join(TIMEOUT)
            assert not sending.is_alive()

    def test_a_worker_does_not_wait_for_ever(self, run_server: RunServer) -> None:
        with run_server(backpressure_time=0.01) as server, connected(server) as client, connected(server) as worker:
            handle = run_one(client, worker)
            for _ in range(MUCH):
                worker.sendall(request(Command.WORK_DATA, handle, bytes(PIECE)))

            assert ask(worker, ECHO) == (Command.ECHO_RES, [b"x"])

    def test_a_client_that_reads_slowly_gets_everything(self, run_server: RunServer) -> None:
        with run_server() as server, connected(server) as client, connected(server) as worker:
            handle = run_one(client, worker)
            data = request(Command.WORK_DATA, handle, bytes(PIECE))
            sending = begin_sending(worker, data * MUCH)
            received = 0
            while received < len(data) * MUCH:
                received += len(client.recv(1 << 16))
            sending.join(TIMEOUT)

            assert not sending.is_alive()


class Pauses(logging.Handler):
    """Sets an event when the log tells that workers are held back."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "reads slowly" in record.msg:
            self.seen.set()


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """An event that is set when the server pauses workers."""
    logger, pauses = logging.getLogger("geartrain.server"), Pauses()
    level = logger.level
    logger.addHandler(pauses)
    logger.setLevel(logging.DEBUG)
    yield pauses.seen
    logger.setLevel(level)
    logger.removeHandler(pauses)


def connected(server: RunningServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), TIMEOUT)


def begin_sending(peer: socket.socket, data: bytes) -> threading.Thread:
    """Send data in a thread, however long it takes: `sendall` has one timeout for all of it."""
    peer.settimeout(None)
    sending = threading.Thread(target=peer.sendall, args=[data], daemon=True)
    sending.start()
    return sending


def ask(peer: socket.socket, *packets: bytes) -> Packet:
    """Return the answer to packets."""
    peer.sendall(b"".join(packets))
    parser = Packets(RESPONSE)
    while data := peer.recv(1 << 16):
        for packet in parser.receive(data):
            return packet
    raise AssertionError("the server did not answer")


def run_one(client: socket.socket, worker: socket.socket) -> bytes:
    """Let a worker run a job of a client, and return its handle."""
    _, (handle,) = ask(client, request(Command.SUBMIT_JOB, b"f", b"", b""))
    assert ask(worker, request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))[0] == Command.JOB_ASSIGN
    return handle
