# SPDX-License-Identifier: MIT
"""Connecting with an event loop: what `test_sockets` shows of the blocking twin."""

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme

from geartrain.errors import NoServerAvailable
from geartrain.transport import TLS, ServerAddress
from geartrain.transport.aio import open_streams
from tests.transport.conftest import address_of, listening, refused_port
from tests.twins import LOOPS

Value = TypeVar("Value")


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner


def reached(runner: asyncio.Runner, opening: Coroutine[Any, Any, tuple[object, asyncio.StreamWriter]]) -> object:
    """Return whom a connection leads to, and close it."""

    async def peer() -> object:
        _, writer = await opening
        try:
            return writer.get_extra_info("peername")
        finally:
            writer.transport.abort()

    return runner.run(peer())


def test_a_tcp_socket_sends_at_once_and_notices_dead_paths(runner: asyncio.Runner) -> None:
    async def options() -> list[int]:
        _, writer = await open_streams(address_of(listener), keepalive=60.0)
        sock = writer.get_extra_info("socket")
        writer.transport.abort()
        return [
            sock.getsockopt(socket.IPPROTO_TCP, name)
            for name in (socket.TCP_NODELAY, socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT)
        ]

    with listening() as listener:
        assert runner.run(options()) == [1, 30, 60_000]


def test_all_addresses_of_a_name_are_tried(runner: asyncio.Runner) -> None:
    """On most machines localhost is also ::1, where the test has no listener."""
    with listening() as listener:
        peer = reached(runner, open_streams(address_of(listener, "localhost")))

        assert peer == listener.getsockname()


def test_a_socket_in_the_file_system(runner: asyncio.Runner, tmp_path: Path) -> None:
    path = str(tmp_path / "gearmand.sock")
    with listening(socket.AF_UNIX, path):
        assert reached(runner, open_streams(ServerAddress.parse(f"unix:{path}"))) in (path, "")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (ServerAddress("127.0.0.1", refused_port()), "Connection refused"),
        (ServerAddress("no-such-host.invalid", 4730), "no-such-host.invalid:4730: "),
        (ServerAddress("x" * 300, 4730), "x"),
        (ServerAddress("", 0, path="/nowhere/x.sock"), "unix:/nowhere/x.sock: No such file"),
    ],
)
def test_a_server_that_cannot_be_reached_says_why(runner: asyncio.Runner, address: ServerAddress, reason: str) -> None:
    with pytest.raises(NoServerAvailable, match=reason):
        runner.run(open_streams(address))


def test_a_server_that_never_shakes_hands_costs_one_timeout(runner: asyncio.Runner) -> None:
    with listening() as listener, pytest.raises(NoServerAvailable, match="no answer in time"):
        runner.run(open_streams(address_of(listener, tls=True), timeout=0.05))


@pytest.mark.parametrize("tls", [False, True])
def test_a_cancelled_connect_leaves_no_socket_behind(runner: asyncio.Runner, tls: bool) -> None:
    async def give_up() -> None:
        for _ in range(20):
            opening = asyncio.create_task(open_streams(address_of(listener, tls=tls)))
            await asyncio.sleep(0)
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await opening

    with listening() as listener:
        runner.run(give_up())
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(5):
            runner.run(give_up())

        assert len(list(Path("/dev/fd").iterdir())) < before + 20, "some of the last may be about to be closed"


class TestTLS:
    def test_checks_the_server(
        self, runner: asyncio.Runner, authority: trustme.CA, server: socket.socket, tmp_path: Path
    ) -> None:
        async def echo() -> bytes:
            reader, writer = await open_streams(address_of(server, "localhost"), tls=context)
            writer.write(b"x")
            try:
                return await reader.read(1)
            finally:
                writer.transport.abort()

        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        context = TLS(ca=tmp_path / "ca.pem").context()

        assert runner.run(echo()) == b"x"
        with pytest.raises(NoServerAvailable, match="certificate verify failed"):
            runner.run(open_streams(address_of(server, "localhost", tls=True)))
        with pytest.raises(NoServerAvailable, match="certificate verify failed"):
            runner.run(open_streams(address_of(server), tls=context))
