# SPDX-License-Identifier: MIT
"""Maps whose jobs fail or end in any order, and the cancelling of jobs, with clients of both kinds."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from geartrain import (
    AssignedJob,
    AsyncClient,
    Client,
    Fail,
    Handle,
    JobFailed,
    NoServerAvailable,
    ServerError,
    Worker,
)
from geartrain.client.ticket import check_unknown
from geartrain.protocol import Command
from geartrain.testing import AsyncEagerClient, EagerClient, run_server, run_worker
from tests.client.peers import ScriptedServer, ServedClient
from tests.client.shells import Shell

PATIENCE = 60.0  # seconds that no step takes unless it hangs


@pytest.fixture
def release() -> threading.Event:
    return threading.Event()


@pytest.fixture
def address(release: threading.Event) -> Iterator[str]:
    worker = Worker("127.0.0.1:1", concurrency=4)

    @worker.function
    def f(job: AssignedJob) -> bytes:
        if job.text == "fail":
            raise Fail("no")
        if job.text == "wait":
            release.wait(PATIENCE)
        return job.workload.upper()

    with run_server() as server, run_worker(worker, server.address):
        yield server.address
        release.set()


def test_a_map_goes_on_after_a_failure_if_asked_to(address: str) -> None:
    async def main() -> list[object]:
        async with AsyncClient(address) as client, aclosing(client.map("f", inputs, return_exceptions=True)) as results:
            return [result async for result in results]

    inputs = ["a", "fail", "b"]
    with Client(address) as client:
        for results in (list(client.map("f", inputs, return_exceptions=True)), asyncio.run(main())):
            assert [results[0], results[2]] == [b"A", b"B"]
            assert isinstance(results[1], JobFailed)
            assert results[1].reason == "no"
        with pytest.raises(JobFailed):
            list(client.map("f", inputs))


def test_the_status_of_a_submitted_job_has_the_reason_of_its_failure(address: str) -> None:
    with Client(address) as client:
        job = client.submit("f", "fail")
        assert isinstance(job.exception(PATIENCE), JobFailed)
        assert (job.status.state, job.status.reason) == ("failed", "no")


def test_an_unordered_map_yields_what_ends_first(address: str, release: threading.Event) -> None:
    with Client(address) as client:
        results = client.map_unordered("f", ["wait", "a", "fail"], return_exceptions=True, timeout=PATIENCE)
        first = dict(itertools.islice(results, 2))
        assert first["a"] == b"A"
        assert isinstance(first["fail"], JobFailed)
        release.set()
        assert list(results) == [("wait", b"WAIT")]


def test_an_asynchronous_unordered_map_yields_what_ends_first(address: str, release: threading.Event) -> None:
    async def main() -> None:
        async with AsyncClient(address) as client:
            results = client.map_unordered("f", ["wait", "a"], timeout=PATIENCE)
            assert await anext(results) == ("a", b"A")
            release.set()
            assert [each async for each in results] == [("wait", b"WAIT")]

    asyncio.run(main())


def test_an_unordered_map_reads_its_input_as_far_as_allowed(shell: Shell, address: str) -> None:
    taken = itertools.count()
    with shell.client(address) as client:
        results = client.map_unordered("f", (str(next(taken)) for _ in itertools.count()), max_in_flight=3)
        for _ in range(10):
            next(results)
        assert next(taken) <= 13
        results.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_closing_a_map_abandons_the_jobs_in_flight(shell: Shell, method: str) -> None:
    """They are not sent again when their connection is lost."""
    closed = threading.Event()
    seen: list[bytes] = []

    def first(peer: ServedClient) -> None:
        assert [peer.expect_job(b"H:1"), peer.expect_job(b"H:2")] == [b"0", b"1"]
        peer.send(Command.WORK_COMPLETE, b"H:1", b"done")
        assert closed.wait(PATIENCE)

    def second(peer: ServedClient) -> None:
        while True:
            handle = b"H:again:%d" % len(seen)
            seen.append(peer.expect_job(handle))
            peer.send(Command.WORK_COMPLETE, handle, b"done")

    with ScriptedServer(first, second) as server, shell.client(server.address) as client:
        results = getattr(client, method)("f", (str(number) for number in range(9)), max_in_flight=2, resubmits=1)
        next(results)
        results.close()
        closed.set()
        for workload in ("last", "end"):
            assert client.do("f", workload, resubmits=1, timeout=PATIENCE) == b"done"

    assert seen == [b"last", b"end"]


def test_a_job_is_cancelled_by_its_handle(address: str) -> None:
    async def main() -> None:
        async with AsyncClient(address) as client:
            job = await client.submit("unknown")
            await client.cancel(await job.created(PATIENCE))
            with pytest.raises(JobFailed):
                await job.result(PATIENCE)
            with pytest.raises(ServerError):
                await client.cancel(str(job.handle))

    with Client(address) as client:
        job = client.submit("unknown")
        client.cancel(job.created(PATIENCE))
        with pytest.raises(JobFailed):
            job.result(PATIENCE)
        handle = client.enqueue("unknown")
        client.cancel(handle)
        assert not client.status(handle).known
        with pytest.raises(ServerError):
            client.cancel(str(handle))
        with client.admin() as admin:
            assert admin.version()
    asyncio.run(main())


def test_a_submitted_job_is_cancelled(shell: Shell, address: str, release: threading.Event) -> None:
    with shell.client(address) as client:
        waiting, running = client.submit("unknown"), client.submit("f", "wait")
        for job in (waiting, running):
            assert job.status.state in ("unknown", "waiting")
            assert job.cancel()
            with pytest.raises(JobFailed):
                job.result(PATIENCE)
            assert not job.cancel()
        release.set()
        done = client.submit("f", "a")
        assert done.result(PATIENCE) == b"A"
        assert not done.cancel()


def test_a_job_that_its_server_does_not_know_any_more_is_not_cancelled(shell: Shell, address: str) -> None:
    with shell.client(address) as client:
        job = client.submit("unknown")
        subject = getattr(job, "subject", job)
        subject._handle = Handle("H:other:1", job.created(PATIENCE).server)
        assert not job.cancel()
        subject._handle = Handle("H:other:1", "127.0.0.1:1")
        with pytest.raises(NoServerAvailable):
            job.cancel()


def test_a_job_that_no_server_accepts_is_not_cancelled(shell: Shell) -> None:
    with shell.client("127.0.0.1:1") as client:
        assert not client.submit("f").cancel()


def test_a_server_may_forbid_to_cancel_a_job() -> None:
    check_unknown(ServerError("UNKNOWN_JOB", ""))
    with pytest.raises(ServerError, match="NOT_ALLOWED"):
        check_unknown(ServerError("NOT_ALLOWED", "cancel+job"))


def test_an_eager_client_has_no_server_to_administrate() -> None:
    for client in (EagerClient({}), AsyncEagerClient({})):
        with pytest.raises(RuntimeError, match="no server"):
            client.admin()


def test_a_job_that_no_server_accepts_has_no_handle() -> None:
    async def main() -> None:
        async with AsyncClient("127.0.0.1:1") as client:
            with pytest.raises(NoServerAvailable):
                await (await client.submit("f")).created(PATIENCE)

    with Client("127.0.0.1:1") as client, pytest.raises(NoServerAvailable):
        client.submit("f").created(PATIENCE)
    asyncio.run(main())
    assert str(EagerClient({"f": lambda job: b""}).submit("f").created(PATIENCE)).startswith("H:eager:")
