# SPDX-License-Identifier: MIT
"""The client without a server: what both do is tested of both."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import Any

import pytest

from geartrain import (
    JSON,
    AssignedJob,
    AsyncAssignedJob,
    AsyncWorker,
    Client,
    ConnectionLost,
    Data,
    Fail,
    JobException,
    JobFailed,
    JobRequest,
    JobStatus,
    Priority,
    Progress,
    ProtocolError,
    Warn,
    Worker,
    as_completed,
)
from geartrain.testing import AsyncEagerClient, EagerClient, run_server, run_worker

PATIENCE = 60.0


def reverse(job: AssignedJob) -> bytes:
    return job.workload[::-1]


def talk(job: AssignedJob) -> Generator[bytes, None, str]:
    job.warning("careful")
    yield b"part"
    job.progress(1, 2)
    return "end"


def wrong(job: AssignedJob) -> None:
    raise ValueError(f"not {job.text}")


def fails(job: AssignedJob) -> None:
    raise Fail


def shout(job: AssignedJob, call: Callable[[AssignedJob], object]) -> object:
    result = call(job)
    return result.upper() if isinstance(result, bytes) else result


def resize(image_id: int, width: int = 200) -> str:
    return f"{image_id}@{width}"


@pytest.fixture
def worker() -> Worker:
    worker = Worker("localhost", middleware=[shout])
    for function in (reverse, talk, wrong, fails):
        worker.function(function)
    worker.function(resize)
    return worker


@pytest.fixture(params=["real", "eager"])
def client(request: pytest.FixtureRequest, worker: Worker) -> Iterator[Client[Any, Any]]:
    if request.param == "eager":
        with EagerClient[Any, Any](worker) as eager:
            yield eager
    else:
        with run_server() as server, run_worker(worker, server.address), Client[Any, Any](server.address) as real:
            yield real


class TestLikeARealOne:
    def test_jobs_are_done(self, client: Client[Any, Any]) -> None:
        assert client.do("reverse", "Hello", timeout=PATIENCE) == b"OLLEH"
        assert client.do("reverse", timeout=PATIENCE) == b""

    def test_jobs_are_futures_and_streams(self, client: Client[Any, Any]) -> None:
        job = client.submit("talk", unique="u", priority=Priority.HIGH)

        assert list(job.events(PATIENCE)) == [Warn(b"careful"), Data(b"part"), Progress(1, 2)]
        assert job.result(PATIENCE) == b"end"
        assert job.status == JobStatus(numerator=1, denominator=2, outcome="completed")
        assert (job.function, job.unique, job.done()) == ("talk", "u", True)
        assert job.handle is not None
        assert client.status(job.handle) == JobStatus()
        assert client.status(unique="u") == JobStatus(waiting_clients=0)

    def test_functions_have_arguments(self, client: Client[Any, Any]) -> None:
        bound = client.function(resize)

        assert bound.with_options(timeout=PATIENCE).do(7, width=100) == "7@100"
        assert client.do("resize", "[7]", timeout=PATIENCE) == b'"7@200"'

    def test_callbacks_are_called(self, client: Client[Any, Any]) -> None:
        called: list[object] = []
        job = client.submit("reverse", "ab")
        job.result(PATIENCE)
        job.add_done_callback(called.append)

        assert called == [job]

    def test_errors_are_raised(self, client: Client[Any, Any]) -> None:
        with pytest.raises(JobException, match="ValueError: not right") as caught:
            client.do("wrong", "right", timeout=PATIENCE)
        assert caught.value.handle.startswith("H:")
        with pytest.raises(JobFailed, match="failed"):
            client.do("fails", timeout=PATIENCE)
        assert isinstance(client.submit("fails").exception(PATIENCE), JobFailed)

    def test_nonsense_is_refused(self, client: Client[Any, Any]) -> None:
        with pytest.raises(ProtocolError, match="cannot be empty"):
            client.do("")
        with pytest.raises(TypeError):
            client.do("reverse", 5)
        with pytest.raises(ValueError, match="a delay cannot be negative"):
            client.submit_background("reverse", delay=-1)

    def test_many_at_once(self, client: Client[Any, Any]) -> None:
        jobs = client.submit_many([JobRequest("reverse", f"a{number}") for number in range(10)])

        assert [job.result(PATIENCE) for job in jobs] == [b"%dA" % number for number in range(10)]
        assert set(as_completed(jobs, PATIENCE)) == set(jobs)
        assert list(client.map("reverse", ["ab", "cd"], timeout=PATIENCE)) == [b"BA", b"DC"]

    def test_background_jobs_have_handles(self, client: Client[Any, Any]) -> None:
        first = client.submit_background("reverse", "ab", unique="u")
        second = client.submit_background("fails")
        many = client.submit_background_many([JobRequest("reverse"), JobRequest("reverse")])

        assert len({first, second, *many}) == 4
        assert client.ping() >= 0.0

    def test_a_closed_one_does_nothing(self, client: Client[Any, Any]) -> None:
        client.close()

        with pytest.raises(ConnectionLost):
            client.do("reverse", timeout=PATIENCE)
        with pytest.raises(ConnectionLost):
            client.ping()


class TestWithoutAServer:
    def test_the_submitted_jobs_are_listed(self, worker: Worker) -> None:
        client = EagerClient[Any, Any](worker, client_id="tester")
        client.submit_background("reverse", "later", delay=3600.5, unique="u", priority=Priority.LOW)
        client.do("talk")

        assert [(job.function, job.text, job.unique) for job in client.jobs] == [
            ("reverse", "later", "u"),
            ("talk", "", ""),
        ]

    def test_a_job_has_ended_when_it_is_submitted(self, worker: Worker) -> None:
        job = EagerClient[Any, Any](worker).submit("reverse", "ab")

        assert job.done()
        assert list(job) == []

    def test_an_unknown_function_is_an_error_that_lists_the_known_ones(self, worker: Worker) -> None:
        with pytest.raises(LookupError, match=r"there is no function 'fly'; known are: reverse, talk, wrong, fails"):
            EagerClient[Any, Any](worker).submit_background("fly")

    def test_functions_by_name_use_the_clients_codec_and_prefix(self) -> None:
        client = EagerClient({"sum": lambda job: sum(job.value)}, codec=JSON, prefix="app.")

        assert client.do("sum", [1, 2, 3]) == 6
        assert repr(client) == "<EagerClient: 1 job>"

    def test_a_job_may_submit_others(self) -> None:
        client: EagerClient[Any, Any]
        client = EagerClient({"outer": lambda job: client.do("inner", job.workload) + b"!", "inner": reverse})

        assert client.do("outer", "ab") == b"ba!"
        assert [job.function for job in client.jobs] == ["outer", "inner"]


class TestInAnEventLoop:
    def test_a_blocking_worker_does_the_jobs(self, worker: Worker) -> None:
        async def use() -> None:
            async with AsyncEagerClient[Any, Any](worker) as client:
                assert await client.do("reverse", "ab") == b"BA"
                job = await client.submit("talk")
                assert [event async for event in job] == [Warn(b"careful"), Data(b"part"), Progress(1, 2)]
                assert await job == b"end"
                with pytest.raises(JobException, match="ValueError: not right"):
                    await client.do("wrong", "right")
                with pytest.raises(JobFailed):
                    await client.do("fails")
                with pytest.raises(LookupError, match="there is no function 'fly'"):
                    await client.submit_background("fly")
                assert [result async for result in client.map("reverse", ["ab", "cd"])] == [b"BA", b"DC"]
                await client.enqueue("reverse", cron="@daily", timezone="Europe/Berlin", priority=Priority.HIGH)
                handle = await client.submit_background("reverse", delay=3600)
                assert await client.status(handle) == JobStatus()
                assert await client.ping() >= 0.0
                assert [job.function for job in client.jobs][-1] == "reverse"
                assert repr(client) == "<AsyncEagerClient: 8 jobs>"
            with pytest.raises(ConnectionLost):
                await client.do("reverse")

        asyncio.run(use())

    def test_coroutines_do_them_too(self) -> None:
        async def add(job: AsyncAssignedJob) -> int:
            await asyncio.sleep(0)
            return sum(job.value)

        async def count(job: AsyncAssignedJob) -> AsyncGenerator[int, None]:
            for number in range(job.value):
                yield number

        async def double(number: int) -> int:
            return 2 * number

        async def use() -> None:
            functions: dict[str, Callable[..., object]] = {"add": add, "count": count, "double": double}
            async with AsyncEagerClient(functions, codec=JSON, prefix="app.") as client:
                assert await client.function(double).do(4) == 8
                assert await client.do("add", [1, 2]) == 3
                assert [event async for event in await client.submit("count", 2)] == [Data(0), Data(1)]

        asyncio.run(use())

    def test_cancelling_a_wait_does_not_cancel_the_job(self) -> None:
        async def hold(job: AsyncAssignedJob) -> bytes:
            begun.set()
            await gate.wait()
            ended.set()
            return b""

        async def use() -> None:
            worker = AsyncWorker("localhost")
            worker.function(hold)
            async with AsyncEagerClient[Any, Any](worker) as client:
                doing = asyncio.create_task(client.do("hold"))
                await begun.wait()
                doing.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await doing
                gate.set()
                async with asyncio.timeout(PATIENCE):
                    await ended.wait()

        begun, gate, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        asyncio.run(use())
