# SPDX-License-Identifier: MIT
"""Cases of the asynchronous admin client only: tasks that share it, and calls that are cancelled."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from geartrain import AsyncAdminClient
from tests.twins import LOOPS


@pytest.fixture(params=LOOPS)
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


def test_tasks_share_one_connection(server: str, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def ask() -> tuple[str, int, int]:
        async with AsyncAdminClient(server) as admin:
            version, workers, *_ = await asyncio.gather(
                admin.version(), admin.workers(), admin.create_function("f"), admin.create_function("g")
            )
            return version, len(workers), len(await admin.status())

    with asyncio.Runner(loop_factory=new_loop) as runner:
        version, connections, functions = runner.run(ask())

    assert version
    assert connections == 1
    assert functions == 2


def test_a_cancelled_call_costs_its_answer_only(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The answer to it comes late, and must not be taken for that to the next call."""

    async def ask() -> str:
        loop = asyncio.get_running_loop()
        async with AsyncAdminClient(f"127.0.0.1:{listener.getsockname()[1]}") as admin:
            asking = asyncio.create_task(admin.version())
            waiting = asyncio.create_task(admin.version())
            accepted, _ = await loop.sock_accept(listener)
            with accepted:
                await loop.sock_recv(accepted, 100)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                again, _ = await loop.sock_accept(listener)
            with again:
                await loop.sock_recv(again, 100)
                await loop.sock_sendall(again, b"OK 2\n")
                return await waiting

    with socket.create_server(("127.0.0.1", 0)) as listener, asyncio.Runner(loop_factory=new_loop) as runner:
        listener.setblocking(False)
        assert runner.run(ask()) == "2"
