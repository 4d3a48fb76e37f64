# SPDX-License-Identifier: MIT
"""The connection between a transport and a session."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
import uvloop

from geartrain.protocol import REQUEST, Command, response
from geartrain.worker.aio.connection import HIGH_WATER, WorkerConnection
from geartrain.worker.session import WorkerSession
from tests.packets import Packets
from tests.worker.shells import PATIENCE

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Recorder:
    """The owner of a connection, which records its calls."""

    def __init__(self) -> None:
        self.data = b""
        self.reasons: list[str] = []
        self.news = asyncio.Event()

    def made(self, connection: WorkerConnection) -> None:
        connection.session = WorkerSession([(b"f", None)], b"", 0.0)

    def received(self, connection: WorkerConnection, data: bytes) -> None:
        self.data += data
        self.news.set()

    def lost(self, connection: WorkerConnection, reason: str) -> None:
        self.reasons.append(reason)
        self.news.set()


Test: TypeAlias = Callable[[WorkerConnection, socket.socket, Recorder], Awaitable[None]]
WithPair: TypeAlias = Callable[[Test], None]


@pytest.fixture(params=LOOPS)
def with_pair(request: pytest.FixtureRequest) -> WithPair:
    """Runs a test with a connection, the other end of its socket, and the owner that records its calls."""

    def run(test: Test) -> None:
        async def main() -> None:
            near, far = socket.socketpair()
            far.setblocking(False)
            recorder = Recorder()
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(
                lambda: WorkerConnection(recorder.made, recorder.received, recorder.lost), sock=near
            )
            with far:
                await asyncio.wait_for(test(connection, far, recorder), PATIENCE)
            connection.close()
            await asyncio.sleep(0)

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(main())

    return run


def test_bytes_go_both_ways(with_pair: WithPair) -> None:
    async def test(connection: WorkerConnection, far: socket.socket, recorder: Recorder) -> None:
        loop = asyncio.get_running_loop()
        connection.flush()
        sent = Packets(REQUEST).receive(await loop.sock_recv(far, 4096))
        assert [command for command, _ in sent] == [Command.CAN_DO, Command.ECHO_REQ]

        far.send(response(Command.NOOP))
        await recorder.news.wait()
        assert recorder.data == response(Command.NOOP)

    with_pair(test)


def test_the_end_is_reported_once(with_pair: WithPair) -> None:
    async def test(connection: WorkerConnection, far: socket.socket, recorder: Recorder) -> None:
        far.close()
        await recorder.news.wait()
        connection.close()
        connection.flush()

        assert recorder.reasons == ["the server closed the connection"]
        assert connection.is_lost

    with_pair(test)


def test_a_job_that_sends_more_than_the_server_takes_is_held_up(with_pair: WithPair) -> None:
    async def test(connection: WorkerConnection, far: socket.socket, recorder: Recorder) -> None:
        loop = asyncio.get_running_loop()
        size = 8 * HIGH_WATER
        await connection.wait_for_room()
        connection.session.report(Command.WORK_DATA, b"H:1", bytes(size))
        connection.flush()
        held = asyncio.create_task(connection.wait_for_room())
        await asyncio.sleep(0)
        assert not held.done()

        received = 0
        while received < size:
            received += len(await loop.sock_recv(far, HIGH_WATER))
        await held

    with_pair(test)


def test_a_job_is_not_held_up_by_a_lost_connection(with_pair: WithPair) -> None:
    async def test(connection: WorkerConnection, far: socket.socket, recorder: Recorder) -> None:
        connection.session.report(Command.WORK_DATA, b"H:1", bytes(8 * HIGH_WATER))
        connection.flush()
        held = asyncio.create_task(connection.wait_for_room())
        await asyncio.sleep(0)
        far.close()

        await held

    with_pair(test)


def test_a_farewell_says_what_is_left_and_takes_what_still_comes(with_pair: WithPair) -> None:
    async def test(connection: WorkerConnection, far: socket.socket, recorder: Recorder) -> None:
        loop = asyncio.get_running_loop()
        connection.flush()
        await loop.sock_recv(far, 4096)
        connection.session.report(Command.WORK_COMPLETE, b"H:1", b"result")
        far.send(response(Command.NOOP))
        leaving = asyncio.create_task(connection.leave())

        sent = Packets(REQUEST).receive(await loop.sock_recv(far, 4096))
        assert list(sent) == [(Command.WORK_COMPLETE, [b"H:1", b"result"])]
        assert await loop.sock_recv(far, 4096) == b""
        far.close()
        await leaving
        assert recorder.reasons == []

    with_pair(test)
