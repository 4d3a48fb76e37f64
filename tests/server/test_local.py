# SPDX-License-Identifier: MIT
"""Connections inside the process, which behave like those on sockets."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from geartrain.protocol import RESPONSE, Command, Packet, request
from geartrain.reactor.connection import Connection
from geartrain.server import LocalPeer, Server, access_rules
from geartrain.server.local import LocalTransport
from geartrain.server.loop import new_event_loop
from geartrain.testing import local_options
from tests.packets import Packets

TIMEOUT = 60.0
MEGABYTE = 1 << 20


@pytest.fixture(params=[asyncio.new_event_loop, new_event_loop], ids=["standard loop", "quickest loop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[None, None, None]], None]:
    """Run a scenario with either event loop."""

    def run(scenario: Coroutine[None, None, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(scenario, TIMEOUT))

    return run


@asynccontextmanager
async def serving(**options: object) -> AsyncIterator[Server]:
    async with Server(local_options(**options)) as server:
        yield server


async def ask(peer: LocalPeer, *packets: bytes) -> Packet:
    """Return the answer to packets."""
    await peer.send(b"".join(packets))
    (packet,) = await packets_of(peer, 1)
    return packet


async def packets_of(peer: LocalPeer, count: int) -> list[Packet]:
    parser, packets = Packets(RESPONSE), list[Packet]()
    while len(packets) < count:
        data = await peer.receive()
        assert data, "the server closed the connection"
        packets += parser.receive(data)
    return packets


async def turn_until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110  # it only takes turns of the event loop
        await asyncio.sleep(0)


def test_a_job_goes_from_a_client_to_a_worker_and_back(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def scenario() -> None:
        async with serving() as server, server.connect() as client, server.connect() as worker:
            _, (handle,) = await ask(client, request(Command.SUBMIT_JOB, b"reverse", b"", b"abc"))
            assigned = await ask(worker, request(Command.CAN_DO, b"reverse"), request(Command.GRAB_JOB))
            await worker.send(request(Command.WORK_COMPLETE, handle, b"cba"))

            assert assigned == (Command.JOB_ASSIGN, [handle, b"reverse", b"abc"])
            assert await packets_of(client, 1) == [(Command.WORK_COMPLETE, [handle, b"cba"])]

    run(scenario())


def test_listings_show_its_address_and_rules_match_it(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    rules = access_rules([{"address": "local", "may": "submit"}])

    async def scenario() -> None:
        async with serving(access=rules) as server, server.connect() as near, server.connect(("10.0.0.7", 1)) as far:
            submission = request(Command.SUBMIT_JOB_BG, b"f", b"", b"")
            assert (await ask(near, submission))[0] == Command.JOB_CREATED
            assert (await ask(far, submission))[1][0] == b"NOT_ALLOWED"

            await near.send(b"workers\n")
            assert await near.receive() == b"-1 unix - :\n-1 10.0.0.7 - :\n.\n"

    run(scenario())


def test_the_server_removes_it_when_it_is_closed(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    async def scenario() -> None:
        async with serving() as server, server.connect() as stays:
            async with server.connect() as worker:
                await ask(worker, request(Command.CAN_DO, b"f"), request(Command.ECHO_REQ, b""))

            await stays.send(b"workers\n")
            assert (await stays.receive()).count(b"\n") == 2, "itself, and the end of the list"
            with pytest.raises(ConnectionResetError):
                await worker.send(b"version\n")
            assert await worker.receive() == b""

    run(scenario())


def test_it_leaves_no_garbage(run: Callable[[Coroutine[None, None, None]], None]) -> None:
    def connections() -> int:
        return sum(type(found) is Connection for found in gc.get_objects())

    async def scenario() -> None:
        async with serving() as server:
            before = connections()
            async with server.connect() as peer:
                await ask(peer, request(Command.ECHO_REQ, b""))
                assert connections() == before + 1
            del peer
            assert connections() == before

    gc.collect()
    gc.disable()
    try:
        run(scenario())
    finally:
        gc.enable()


def test_it_ends_with_the_server_after_it_has_read_everything(
    run: Callable[[Coroutine[None, None, None]], None],
) -> None:
    async def scenario() -> None:
        async with serving(flush_timeout=TIMEOUT) as server:
            peer = server.connect()
            await peer.send(request(Command.ECHO_REQ, b"x"))
            closing = asyncio.create_task(server.close())
            await turn_until(lambda: peer.is_closing)
            assert not closing.done()

            assert await packets_of(peer, 1) == [(Command.ECHO_RES, [b"x"])]
            assert await peer.receive() == b""
            await closing

    run(scenario())


def test_a_peer_that_does_not_read_has_to_wait_and_loses_nothing(
    run: Callable[[Coroutine[None, None, None]], None],
) -> None:
    async def scenario() -> None:
        count = 40  # more than may wait for a peer before the server stops reading from it
        async with serving() as server, server.connect() as peer:
            sending = asyncio.create_task(send(peer, count))
            await turn_until(lambda: not peer.is_reading)
            await asyncio.sleep(0)
            assert not sending.done()

            replies = await packets_of(peer, count)
            await sending
            assert replies == [(Command.ECHO_RES, [bytes(MEGABYTE)])] * count

    async def send(peer: LocalPeer, count: int) -> None:
        for _ in range(count):
            await peer.send(request(Command.ECHO_REQ, bytes(MEGABYTE)))

    run(scenario())


def test_a_peer_for_which_too_much_waits_is_dropped(
    run: Callable[[Coroutine[None, None, None]], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving(max_unsent=MEGABYTE) as server, server.connect() as client, server.connect() as worker:
            _, (handle,) = await ask(client, request(Command.SUBMIT_JOB, b"f", b"", b""))
            await ask(worker, request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
            while not client.is_closing:
                await worker.send(request(Command.WORK_DATA, handle, bytes(MEGABYTE)))

            assert await client.receive() == b""

    run(scenario())
    assert "Dropped unix: more than 1048576 bytes wait for it" in caplog.text


class TestTheTransport:
    class Connection(asyncio.Protocol):
        def __init__(self) -> None:
            self.events: list[str] = []

        def pause_writing(self) -> None:
            self.events.append("pause")

        def resume_writing(self) -> None:
            self.events.append("resume")

        def connection_lost(self, error: Exception | None) -> None:
            self.events.append("lost")

    def test_tells_the_connection_to_pause_and_that_it_has_ended(self) -> None:
        async def scenario() -> list[str]:
            connection = self.Connection()
            transport = LocalTransport(connection, "")
            transport.set_write_buffer_limits(3)
            assert transport.get_write_buffer_limits() == (0, 3)
            transport.write(b"abc")
            assert connection.events == []
            transport.write(b"d")
            transport.write(b"e")
            transport.close()
            transport.write(b"too late")
            await asyncio.sleep(0)
            assert (transport.get_write_buffer_size(), connection.events) == (5, ["pause"])
            assert await transport.take() == b"abcde"
            await asyncio.sleep(0)
            transport.abort()
            await asyncio.sleep(0)
            return connection.events

        assert asyncio.run(scenario()) == ["pause", "resume", "lost"]

    def test_ends_for_the_peer_after_the_last_data(self) -> None:
        async def scenario() -> list[bytes]:
            transport = LocalTransport(self.Connection(), "")
            transport.write(b"abc")
            assert transport.can_write_eof()
            transport.write_eof()
            return [await transport.take(), await transport.take()]

        assert asyncio.run(scenario()) == [b"abc", b""]


class TestCheck:
    def test_passes_for_a_running_server(self) -> None:
        async def scenario() -> None:
            async with serving() as server:
                await server.check()

        asyncio.run(asyncio.wait_for(scenario(), TIMEOUT))

    def test_passes_for_a_draining_server(self) -> None:
        """It closes connections without a running job, and has a timeout of its own."""

        async def scenario() -> None:
            async with serving() as server, server.connect() as client, server.connect() as worker:
                await ask(client, request(Command.SUBMIT_JOB, b"f", b"", b""))
                await ask(worker, request(Command.CAN_DO, b"f"), request(Command.GRAB_JOB))
                checking = asyncio.create_task(server.check())
                await asyncio.sleep(0)
                server.drain()
                await checking
                await server.check()

        asyncio.run(asyncio.wait_for(scenario(), TIMEOUT))


def test_the_log_shows_a_check_of_the_server_at_debug_only(
    run: Callable[[Coroutine[None, None, None]], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The watchdog checks the server several times a minute."""
    caplog.set_level(logging.DEBUG, "geartrain.server")

    async def scenario() -> None:
        async with serving() as server:
            await server.check()

    run(scenario())
    levels = [record.levelno for record in caplog.records if "unix (connection -1)" in record.getMessage()]
    assert levels == [logging.DEBUG, logging.DEBUG]
