# SPDX-License-Identifier: MIT
"""Cases of the asyncio client only: tasks that are cancelled, slow servers, and slow inputs."""

import asyncio
import itertools
import logging
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import TypeAlias

import pytest

from geartrain import (
    JSON,
    AsyncClient,
    AsyncSubmittedJob,
    ConnectionLost,
    Data,
    Handle,
    JobRequest,
    JobTimeout,
    NoServerAvailable,
)
from geartrain.client import aio
from geartrain.client.aio.connection import MAX_UNSENT, ClientConnection
from geartrain.client.request import submission
from geartrain.client.ticket import BackgroundTicket
from geartrain.protocol import Command
from geartrain.transport import ServerAddress
from tests.client.holdings import MANY, Holdings
from tests.client.peers import PATIENCE, BriefServer, Gone, ScriptedServer, ServedClient
from tests.client.scripts import hold, ignore, serve, vanish
from tests.twins import LOOPS

Run: TypeAlias = Callable[[Callable[[], Coroutine[object, object, None]]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test in a loop of either kind, for a bounded time."""

    def run(test: Callable[[], Coroutine[object, object, None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE):
                await test()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(bounded())

    return run


def count(what: str, client: AsyncClient) -> int:
    """Return a number from what a client prints: its requests that are ``pending`` or ``running``, or bytes unsent."""
    found = re.search(rf"(\d+) {what}", repr(client))
    return int(found[1]) if found else 0


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so; the test as a whole is bounded."""
    turn = asyncio.Event()  # what changes is in the client, which has no event for tests
    while not condition():
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()
        turn.clear()


async def cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class TestATaskIsCancelled:
    def test_while_it_waits_for_a_result(self, run: Run) -> None:
        late = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert late.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"x")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"x")
            serve(peer)

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                task: asyncio.Task[object] = asyncio.create_task(client.do("f"))
                await until(lambda: count("running", client))
                await cancel(task)
                late.set()

                assert await client.do("reverse", "ab") == b"ba"
                assert server.accepted == 1
                assert count("running", client) == 0

        with ScriptedServer(script) as server:
            run(test)

    def test_while_others_wait_for_the_same_job(self, run: Run) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_COMPLETE, b"H:1", b"r")

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                job = await client.submit("f")
                one = asyncio.create_task(job.result())
                other = asyncio.create_task(job.result())
                await asyncio.sleep(0)
                await cancel(one)
                go.set()

                assert await other == b"r"
                assert await job == b"r"

        with ScriptedServer(script) as server:
            run(test)

    def test_while_it_connects_and_others_do(self, run: Run) -> None:
        async def test() -> None:
            async with AsyncClient(server.address) as client:
                one: asyncio.Task[object] = asyncio.create_task(client.do("reverse", "ab"))
                other = asyncio.create_task(client.do("reverse", "cd"))
                await asyncio.sleep(0)
                await cancel(one)

                assert await other == b"dc"
                assert server.accepted == 1

        with ScriptedServer(serve) as server:
            run(test)

    def test_while_it_submits_to_a_slow_server(self, run: Run) -> None:
        """A job that was not sent is not pending, and the session goes on."""
        read = threading.Event()

        def script(peer: ServedClient) -> None:
            assert read.wait(PATIENCE)
            serve(peer)

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                await fill(client)
                task: asyncio.Task[object] = asyncio.create_task(client.submit("reverse", "never"))
                await asyncio.sleep(0)
                pending = count("pending", client)
                await cancel(task)
                assert count("pending", client) == pending
                read.set()

                assert await client.do("reverse", "ab") == b"ba"

        with ScriptedServer(script) as server:
            run(test)

    def test_in_the_middle_of_map(self, run: Run) -> None:
        async def test() -> None:
            async with AsyncClient(server.address) as client:
                results: list[bytes] = []

                async def consume() -> None:
                    async with aclosing(client.map("reverse", itertools.repeat("ab"))) as mapped:
                        async for result in mapped:
                            results.append(result)  # noqa: PERF401 - it never gets to the end

                task: asyncio.Task[object] = asyncio.create_task(consume())
                await until(lambda: len(results) > 500)
                await cancel(task)

                assert await client.do("reverse", "cd") == b"dc"  # behind all that were under way
                assert count("running", client) == 0
                assert len(asyncio.all_tasks()) == 1

        with ScriptedServer(serve) as server:
            run(test)

    def test_while_it_asks_for_a_status(self, run: Run) -> None:
        asked, late = threading.Event(), threading.Event()

        def script(peer: ServedClient) -> None:
            handle = peer.expect(Command.GET_STATUS)[0]
            asked.set()
            assert late.wait(PATIENCE)
            peer.send(Command.STATUS_RES, handle, b"1", b"1", b"0", b"0")
            serve(peer)

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                task: asyncio.Task[object] = asyncio.create_task(client.status("H:1"))
                await until(asked.is_set)
                await cancel(task)
                late.set()

                assert await client.do("reverse", "ab") == b"ba"
                assert server.accepted == 1

        with ScriptedServer(script) as server:
            run(test)


async def fill(client: AsyncClient) -> None:
    """Submit until the server, which does not read, makes submitting wait."""

    async def submit() -> None:
        while True:
            await client.submit("reverse", bytes(1 << 20))

    task: asyncio.Task[object] = asyncio.create_task(submit())
    await until(lambda: count("bytes unsent", client) > MAX_UNSENT)
    await cancel(task)


class TestASlowServer:
    def test_makes_submitting_wait(self, run: Run) -> None:
        read = threading.Event()

        def script(peer: ServedClient) -> None:
            assert read.wait(PATIENCE)
            serve(peer)

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                await fill(client)
                assert count("bytes unsent", client) < MAX_UNSENT + (4 << 20)
                waiting = [asyncio.create_task(client.submit("reverse", "ab")) for _ in range(3)]
                await asyncio.sleep(0)
                assert not any(task.done() for task in waiting)
                read.set()

                assert [await job for job in await asyncio.gather(*waiting)] == [b"ba"] * 3

        with ScriptedServer(script) as server:
            run(test)

    def test_that_never_reads_is_given_up_by_all_who_wait(self, run: Run) -> None:
        done = threading.Event()

        def script(peer: ServedClient) -> None:
            assert done.wait(PATIENCE)

        async def test() -> None:
            async with AsyncClient(server.address, reply_timeout=0.1) as client:
                jobs = await asyncio.gather(*(client.submit("f", bytes(4 << 20)) for _ in range(6)))
                for job in jobs:
                    assert isinstance(await job.exception(), ConnectionLost | NoServerAvailable)
            done.set()

        with ScriptedServer(script) as server:
            run(test)

    def test_does_not_keep_a_task_that_submits_without_end_from_letting_others_run(self, run: Run) -> None:
        async def test() -> None:
            async with AsyncClient(server.address) as client:

                async def flood() -> None:
                    while True:
                        jobs.append(await client.submit("reverse", "x" * 1000))

                jobs: list[AsyncSubmittedJob] = []
                task: asyncio.Task[object] = asyncio.create_task(flood())
                assert await client.do("reverse", "ab") == b"ba"
                await cancel(task)

        with ScriptedServer(serve) as server:
            run(test)


class TestJobs:
    def test_call_back_in_the_loop(self, run: Run) -> None:
        async def test() -> None:
            async with AsyncClient(server.address) as client:
                called: asyncio.Queue[object] = asyncio.Queue()
                job = await client.submit("reverse", "ab")
                job.add_done_callback(called.put_nowait)
                assert await called.get() is job
                job.add_done_callback(called.put_nowait)
                assert await called.get() is job
                assert not await job.cancel()

        with ScriptedServer(serve) as server:
            run(test)

    def test_are_read_by_tasks_that_wait_before_anything_comes(self, run: Run) -> None:
        go = threading.Event()

        def script(peer: ServedClient) -> None:
            peer.expect_job(b"H:1")
            assert go.wait(PATIENCE)
            peer.send(Command.WORK_DATA, b"H:1", b"d")
            peer.send(Command.WORK_COMPLETE, b"H:1", b"r")

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                job = await client.submit("f")

                async def read() -> list[object]:
                    return [event async for event in job]

                reader = asyncio.create_task(read())
                await asyncio.sleep(0)
                go.set()
                assert await reader == [Data(b"d")]

        with ScriptedServer(script) as server:
            run(test)

    def test_that_many_tasks_submit_at_once_leave_in_one_write(self, run: Run) -> None:
        async def test() -> None:
            transport = FakeTransport()
            connection = ClientConnection(ServerAddress("a"), 30.0, lambda _: None, lambda _: None)
            connection.connection_made(transport)
            ticket = BackgroundTicket(NoOwner(), JOB, 1)
            await asyncio.gather(*(connection.send(lambda session: session.submit(JOB, ticket)) for _ in range(1000)))
            await asyncio.sleep(0)

            assert transport.writes == [JOB.packet * 1000]
            connection.lose(ConnectionLost("the end of the test"))

        run(test)


JOB = submission(JobRequest("reverse", "ab"))


class NoOwner:
    """The owner of tickets that are never forgotten."""

    def forget(self, ticket: object, handle: Handle | None) -> None:
        raise AssertionError


class FakeTransport(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass


class TestMap:
    def test_yields_what_is_done_while_its_input_takes_its_time(self, run: Run) -> None:
        async def test() -> None:
            async def slow() -> AsyncIterator[str]:
                yield "ab"
                await first.wait()
                yield "cd"

            first = asyncio.Event()
            async with AsyncClient(server.address) as client:
                results = client.map("reverse", slow())
                assert await anext(results) == b"ba"
                first.set()
                assert [result async for result in results] == [b"dc"]

        with ScriptedServer(serve) as server:
            run(test)

    def test_raises_what_its_input_raises(self, run: Run) -> None:
        async def test() -> None:
            def broken() -> Iterator[str]:
                yield "ab"
                raise ValueError("no more")

            async with AsyncClient(server.address) as client:
                results = client.map("reverse", broken())
                assert await anext(results) == b"ba"
                with pytest.raises(ValueError, match="no more"):
                    await anext(results)

        with ScriptedServer(serve) as server:
            run(test)


class TestAsCompleted:
    def test_takes_an_endless_input_as_it_is_used_up(self, run: Run) -> None:
        async def test() -> None:
            taken = 0

            async def endless() -> AsyncIterator[AsyncSubmittedJob]:
                nonlocal taken
                while True:
                    taken += 1
                    yield await client.submit("reverse", "ab")

            async with AsyncClient(server.address) as client:
                number = 0
                async with aclosing(aio.as_completed(endless())) as jobs:
                    async for job in jobs:
                        assert await job == b"ba"
                        assert taken <= number + 100
                        number += 1
                        if number == 1000:
                            break

        with ScriptedServer(serve) as server:
            run(test)

    def test_has_an_end_in_time(self, run: Run) -> None:
        async def test() -> None:
            async with AsyncClient(server.address) as client:
                jobs = await client.submit_many([JobRequest("f")] * 3)
                with pytest.raises(JobTimeout, match="3 jobs had not ended"):
                    async for _ in aio.as_completed(jobs, timeout=0.01):
                        pass

        with ScriptedServer(hold) as server:
            run(test)


class TestLoops:
    def test_each_need_a_client_of_their_own(self) -> None:
        with ScriptedServer(serve) as server, asyncio.Runner() as one, asyncio.Runner() as other:
            client = AsyncClient(server.address)
            one.run(client.do("f"))
            with pytest.raises(RuntimeError, match="belongs to another event loop"):
                other.run(client.do("f"))
            one.run(client.close())

    def test_may_follow_each_other(self) -> None:
        with ScriptedServer(serve) as server:
            client = AsyncClient(server.address)
            for _ in range(2):
                with asyncio.Runner() as runner:
                    assert runner.run(client.do("reverse", "ab")) == b"ba"
                    server.disconnect()
                    runner.run(until(lambda: "unsent" not in repr(client)))

    def test_keep_nothing_of_a_client_that_is_dropped(self, run: Run) -> None:
        gone = threading.Event()

        def script(peer: ServedClient) -> None:
            try:
                serve(peer)
            except Gone:
                gone.set()
                raise

        async def test() -> None:
            client = AsyncClient(server.address)
            await client.do("f")
            del client
            await until(gone.is_set)

        with ScriptedServer(script) as server:
            run(test)

    def test_go_on_after_an_unexpected_error(self, run: Run, caplog: pytest.LogCaptureFixture) -> None:
        """The program's own code, here a filter of its log, raises while the loop receives."""

        def fail(record: logging.LogRecord) -> bool:
            if "answers again" in record.getMessage():
                raise RuntimeError("a bug")
            return True

        async def test() -> None:
            async with AsyncClient(server.address) as client:
                with pytest.raises(ConnectionLost):
                    await client.do("f")
                logger.addFilter(fail)
                with pytest.raises((ConnectionLost, NoServerAvailable), match="a bug"):
                    await client.do("f")
                logger.removeFilter(fail)
                assert await client.do("reverse", "ab") == b"ba"

        caplog.set_level("INFO", "geartrain.client")
        logger = logging.getLogger("geartrain.client")
        with ScriptedServer(vanish, vanish, serve) as server:
            run(test)
        assert "RuntimeError: a bug" in caplog.text


def test_closing_ends_a_connect_that_is_under_way(run: Run) -> None:
    async def test() -> None:
        client = AsyncClient(f"tls://127.0.0.1:{listener.getsockname()[1]}")  # the handshake gets no answer
        task = asyncio.create_task(client.do("f"))
        accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
        await client.close()
        accepted.close()
        with pytest.raises((ConnectionLost, NoServerAvailable), match="the client was closed"):
            await task

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        run(test)


def test_a_time_out_covers_connecting(run: Run) -> None:
    async def test() -> None:
        async with AsyncClient(f"tls://127.0.0.1:{listener.getsockname()[1]}") as client:
            with pytest.raises(NoServerAvailable, match="no answer in time"):
                await client.do("f", timeout=0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        run(test)


def test_silence_is_noticed(run: Run) -> None:
    async def test() -> None:
        async with AsyncClient(server.address, reply_timeout=0.05) as client:
            with pytest.raises(ConnectionLost, match="has not answered"):
                await client.do("f")

    with ScriptedServer(ignore) as server:
        run(test)


def test_a_codec_works_in_the_task_that_asks(run: Run) -> None:
    async def test() -> None:
        async with AsyncClient(server.address, codec=JSON) as client:
            assert await client.do("reverse", 121) == 121

    with ScriptedServer(serve) as server:
        run(test)


def test_many_reconnects_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR", "geartrain.client")  # pytest keeps what is logged

    async def test() -> None:
        async with AsyncClient(server.address) as client:
            for _ in range(100):
                await client.do("f", resubmits=3)
            before = Holdings()
            for _ in range(MANY):
                await client.do("f", resubmits=3)
            await client.close()

            assert server.accepted >= MANY + 100
            assert Holdings().exceed(before) == ""

    with BriefServer() as server:
        asyncio.run(test())
