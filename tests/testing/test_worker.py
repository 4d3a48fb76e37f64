# SPDX-License-Identifier: MIT
"""Workers in tests: the servers of the test, and clients without one."""

import asyncio

import pytest

from geartrain import AdminClient, AsyncWorker, Worker
from geartrain.testing import AsyncEagerClient, EagerClient, run_server, run_worker

PATIENCE = 60.0  # seconds that no step takes unless it hangs


def test_a_block_begins_when_the_server_knows_the_functions() -> None:
    for _ in range(20):
        with run_server() as server, run_worker({"f": lambda job: b""}, server.address):
            with AdminClient(server.address) as admin:
                [row] = admin.status()
            assert (row.function, row.workers) == ("f", 1)


def test_a_block_begins_also_if_a_server_cannot_be_reached() -> None:
    with run_worker({"f": lambda job: b""}, "127.0.0.1:1"):
        pass


def test_typed_functions_submit_to_the_server_of_each_test() -> None:
    worker = Worker("127.0.0.1:1")

    @worker.function
    def double(number: int) -> int:
        return number * 2

    for number in range(2):
        with run_server() as server, run_worker(worker, server.address):
            assert double.with_options(timeout=PATIENCE).do(number) == number * 2
    assert [str(server) for server in worker.servers] == ["127.0.0.1:1"]


def test_asynchronous_typed_functions_submit_to_the_server_of_each_test() -> None:
    worker = AsyncWorker("127.0.0.1:1")

    @worker.function
    async def double(number: int) -> int:
        return number * 2

    for number in range(2):
        with run_server() as server, run_worker(worker, server.address):
            assert asyncio.run(double.with_options(timeout=PATIENCE).do(number)) == number * 2


def test_the_servers_of_a_worker_that_runs_are_not_replaced() -> None:
    with run_server() as server, run_worker({"f": lambda job: b""}, server.address) as worker:
        with pytest.raises(RuntimeError, match="is running"):
            worker.servers = "127.0.0.1:1"
        assert [str(each) for each in worker.servers] == [server.address]


def test_an_eager_client_does_the_jobs_of_typed_functions() -> None:
    worker = Worker("127.0.0.1:1", prefix="app:")
    done: list[int] = []

    @worker.function
    def note(number: int) -> int:
        done.append(number)
        return number

    client = EagerClient(worker)
    with worker.using(client):
        note.submit_background(1)
        assert note.do(2) == 2

    assert done == [1, 2]
    assert [job.function for job in client.jobs] == ["note", "note"]


def test_an_asynchronous_eager_client_does_the_jobs_of_typed_functions() -> None:
    worker = AsyncWorker("127.0.0.1:1")
    done: list[int] = []

    @worker.function
    async def note(number: int) -> int:
        done.append(number)
        return number

    async def main() -> None:
        with worker.using(AsyncEagerClient(worker)):
            await note.submit_background(1)
            assert await note.do(2) == 2

    asyncio.run(main())
    assert done == [1, 2]
