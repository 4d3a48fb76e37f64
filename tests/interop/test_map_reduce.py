# SPDX-License-Identifier: MIT
"""Reduce jobs between libgearman and Geartrain: its client with our workers, and the reverse."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from geartrain import AssignedJob, AsyncAssignedJob, AsyncWorker, Client, Fail, JobFailed, Worker
from tests.interop.conftest import AnyServer
from tests.interop.programs import TIMEOUT, Program, compiled, run

pytestmark = pytest.mark.interop

TEXT = "this dog does not hunt"
SHOUTED = ["DOES", "DOG", "HUNT", "NOT", "THIS"]  # libgearman 1.1 joins in reverse


@pytest.fixture(scope="module")
def client_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return compiled("reduce_client.c", tmp_path_factory.mktemp("client"), "gearman")


@pytest.fixture(scope="module")
def worker_program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return compiled("reduce_worker.c", tmp_path_factory.mktemp("worker"), "gearman")


@contextlib.contextmanager
def running(worker: Worker | AsyncWorker) -> Iterator[None]:
    run: Callable[[], object] = worker.run
    thread = threading.Thread(target=(lambda: asyncio.run(worker.run())) if isinstance(worker, AsyncWorker) else run)
    thread.start()
    try:
        yield
    finally:
        worker.stop(grace=0)
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def splitting(server: AnyServer) -> Worker:
    """Return a worker like the one in C."""
    worker = Worker(server.address)

    @worker.partition(aggregate=b",".join)
    def split(job: AssignedJob) -> Iterator[str]:
        yield from job.text.split()

    return worker


def splitting_async(server: AnyServer) -> AsyncWorker:
    """Return the same worker for asyncio."""
    worker = AsyncWorker(server.address)

    async def join(words: AsyncIterator[bytes]) -> bytes:
        return b",".join([word async for word in words])

    @worker.partition(aggregate=join)
    async def split(job: AsyncAssignedJob) -> None:
        for word in job.text.split():
            await job.data(word)

    return worker


def shouting(server: AnyServer) -> Worker:
    worker = Worker(server.address)

    @worker.function
    def shout(job: AssignedJob) -> str:
        if job.text == "fail":
            raise Fail("no such word")
        return "" if job.text == "nothing" else job.text.upper()

    return worker


@pytest.fixture(params=["worker", "async worker", "worker in C"])
def split(request: pytest.FixtureRequest, server: AnyServer) -> Iterator[None]:
    """A worker that splits texts into words."""
    makers: dict[str, Callable[[AnyServer], Any]] = {"worker": splitting, "async worker": splitting_async}
    with contextlib.ExitStack() as stack:
        if request.param in makers:
            stack.enter_context(running(makers[request.param](server)))
        else:
            program = Program(request.getfixturevalue("worker_program"), str(server.port), "split")
            stack.enter_context(program).wait_for_line("ready")
        yield


@pytest.fixture(params=["worker", "worker in C"])
def shout(request: pytest.FixtureRequest, server: AnyServer) -> Iterator[None]:
    """A worker that turns words into capitals."""
    with contextlib.ExitStack() as stack:
        if request.param == "worker":
            stack.enter_context(running(shouting(server)))
        else:
            program = Program(request.getfixturevalue("worker_program"), str(server.port), "shout")
            stack.enter_context(program).wait_for_line("ready")
        yield


@pytest.mark.usefixtures("split", "shout")
class TestAReduceJob:
    def test_of_a_client_in_c_is_split_run_and_joined(self, server: AnyServer, client_program: list[str]) -> None:
        done = run(client_program, str(server.port), "split", "shout", TEXT)

        code, _, words = done.stdout.decode().strip().partition(": ")
        assert (code, sorted(words.split(","))) == ("GEARMAN_SUCCESS", SHOUTED)

    def test_of_our_client_is_split_run_and_joined(self, server: AnyServer) -> None:
        with Client(server.address) as client:
            [first, second] = client.map_reduce("split", "shout", [TEXT, "a nothing b"], timeout=TIMEOUT)

        assert sorted(first.decode().split(",")) == SHOUTED
        assert sorted(second.decode().split(",")) == ["", "A", "B"]

    def test_fails_if_a_part_fails(self, server: AnyServer, client_program: list[str]) -> None:
        done = run(client_program, str(server.port), "split", "shout", "a fail b")
        assert done.stdout.decode().startswith("GEARMAN_WORK_FAIL")

        with Client(server.address) as client, pytest.raises(JobFailed):
            list(client.map_reduce("split", "shout", ["a fail b"], timeout=TIMEOUT))


@pytest.mark.parametrize("maker", [splitting, splitting_async])
def test_a_background_job_of_a_client_in_c_reaches_the_reducer(
    maker: Callable[[AnyServer], Worker | AsyncWorker], server: AnyServer, client_program: list[str]
) -> None:
    done = threading.Event()
    reducer = Worker(server.address)
    seen: list[str] = []

    @reducer.function
    def note(job: AssignedJob) -> None:
        seen.append(job.text)
        if len(seen) == 2:
            done.set()

    with running(maker(server)), running(reducer):
        submitted = run(client_program, str(server.port), "split", "note", "one two", "background")
        assert submitted.stdout.decode().startswith("GEARMAN_SUCCESS")
        assert done.wait(TIMEOUT)

    assert sorted(seen) == ["one", "two"]


def test_without_a_reducer_the_parts_go_to_the_client(server: AnyServer) -> None:
    with running(splitting(server)), Client(server.address) as client:
        job = client.submit("split", TEXT)
        parts = [getattr(event, "data", b"") for event in job]

    assert parts == [word.encode() for word in TEXT.split()]
