# SPDX-License-Identifier: MIT
"""The services of a server: the order of their start, and their end when one of them fails."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from geartrain.core import Durability
from geartrain.core.changes import Change
from geartrain.core.record import JobRecord
from geartrain.protocol import Command, request
from geartrain.server import Server, ServerOptions
from geartrain.storage import Opened, StoreError
from geartrain.testing import local_options
from tests.job_servers import free_port

TIMEOUT = 60.0


class HookedStore:
    """A store without jobs that calls hooks of a test when it is opened and closed."""

    def __init__(self, on_open: Callable[[], None], on_close: Callable[[], None]) -> None:
        self._on_open = on_open
        self._on_close = on_close

    async def open(self) -> Opened:
        self._on_open()
        return Opened()

    async def replay(self) -> AsyncIterator[Sequence[JobRecord]]:
        for batch in list[Sequence[JobRecord]]():
            yield batch

    async def commit(self, changes: Sequence[Change]) -> None:
        pass

    async def close(self) -> None:
        self._on_close()


def nothing() -> None:
    pass


def fail() -> None:
    raise StoreError("the store is broken")


def break_down() -> None:
    raise RuntimeError("a bug")


def connect(port: int | None) -> None:
    with socket.create_connection(("127.0.0.1", port or 0), TIMEOUT):
        pass


def test_the_store_is_open_before_the_server_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "geartrain.server")
    logged: list[str] = []

    async def scenario() -> None:
        async with Server(local_options(), store=HookedStore(lambda: logged.append(caplog.text), nothing)):
            pass

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT))

    assert len(logged) == 1
    assert "Listening on" not in logged[0]
    assert "Listening on" in caplog.text


def test_a_start_that_fails_frees_the_port() -> None:
    port = free_port()

    async def scenario() -> None:
        server = Server(local_options(port=port), store=HookedStore(fail, nothing))
        with pytest.raises(StoreError, match="broken"):
            await server.start()

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT))

    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_the_other_services_end_when_one_fails() -> None:
    async def scenario() -> bytes:
        server = Server(local_options(), store=HookedStore(nothing, break_down))
        await server.start()
        peer = server.connect()
        await peer.send(request(Command.ECHO_REQ, b""))
        assert await peer.receive()
        port = server.addresses[0].port
        with pytest.raises(RuntimeError, match="a bug"):
            await server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(connect, port)
        return await peer.receive()

    assert asyncio.run(asyncio.wait_for(scenario(), TIMEOUT)) == b""


def test_a_server_that_was_not_started_can_be_closed() -> None:
    asyncio.run(Server(ServerOptions()).close())


def test_without_durability_a_store_is_not_opened() -> None:
    async def scenario() -> None:
        store = HookedStore(break_down, break_down)
        options = local_options(durability=Durability.NONE)
        async with Server(options, store=store) as server, server.connect() as peer:
            await peer.send(request(Command.SUBMIT_JOB_BG, b"f", b"", b""))
            assert await peer.receive()

    asyncio.run(asyncio.wait_for(scenario(), TIMEOUT))
