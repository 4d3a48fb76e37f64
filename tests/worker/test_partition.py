# SPDX-License-Identifier: MIT
"""Jobs whose parts other workers do, with workers and servers of every kind; libgearman's are in tests/interop."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from geartrain import JSON, AssignedJob, AsyncAssignedJob, AsyncWorker, Client, Fail, JobException, JobFailed, Worker
from geartrain.client.request import start_of, submission
from geartrain.errors import LocalProtocolError
from geartrain.protocol import Command
from geartrain.records import JobRequest, Priority
from tests.twins import LOOPS

PATIENCE = 60.0  # seconds that nothing takes unless it will take for ever


@contextlib.contextmanager
def running(*workers: Worker | AsyncWorker, loop: str = "asyncio") -> Iterator[None]:
    def run(worker: Worker | AsyncWorker) -> None:
        if isinstance(worker, Worker):
            worker.run()
        else:
            with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
                runner.run(worker.run())

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for worker, thread in zip(workers, threads, strict=True):
            worker.stop(grace=PATIENCE)
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.fixture(params=["threads", "processes", *LOOPS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def partition(kind: str, server: str) -> Callable[..., Any]:
    """Make a worker that splits texts into words, and have it run."""

    def make(*, aggregate: bool = False, in_pieces: bool = True, codec: Any = None, **options: Any) -> Any:
        chosen = {} if codec is None else {"codec": codec}
        if kind in LOOPS:
            worker: Worker | AsyncWorker = asynchronous(aggregate, in_pieces, options, AsyncWorker(server, **chosen))
        else:
            executor: Any = "process" if kind == "processes" else "thread"
            worker = blocking(aggregate, in_pieces, options, Worker(server, executor=executor, **chosen))
        return running(worker, loop=kind if kind in LOOPS else "asyncio")

    return make


def blocking(aggregate: bool, in_pieces: bool, options: dict[str, Any], worker: Worker) -> Worker:
    if aggregate:
        options["aggregate"] = lambda words: " ".join(str(word) for word in itertools.islice(words, 2))

    if in_pieces:

        @worker.partition("split", **options)
        def pieces(job: AssignedJob) -> Iterator[object]:
            job.progress(1, 1)
            yield from job.value.split()

    else:

        @worker.partition("split", **options)
        def whole(job: AssignedJob) -> object:
            *words, last = job.value.split()
            for word in words:
                job.data(word)
            return last

    return worker


def asynchronous(aggregate: bool, in_pieces: bool, options: dict[str, Any], worker: AsyncWorker) -> AsyncWorker:
    async def join(words: AsyncIterator[Any]) -> str:
        found: list[str] = []
        async for word in words:
            found.append(str(word))
            if len(found) == 2:
                break
        return " ".join(found)

    if aggregate:
        options["aggregate"] = join

    if in_pieces:

        @worker.partition("split", **options)
        async def pieces(job: AsyncAssignedJob) -> AsyncIterator[object]:
            await job.progress(1, 1)
            for word in job.value.split():
                yield word

    else:

        @worker.partition("split", **options)
        async def whole(job: AsyncAssignedJob) -> object:
            *words, last = job.value.split()
            for word in words:
                await job.data(word)
            return last

    return worker


class Reducer:
    """Someone who does parts, and remembers how many were about at a time."""

    def __init__(self, server: str, **options: Any) -> None:
        self.worker = Worker(server, concurrency=4, **options)
        self.done: list[object] = []
        self.worker.add_function("shout", self.shout)
        self.worker.add_function("spell", lambda job: iter(()) if not job.text else self.spell(job))

    def shout(self, job: AssignedJob) -> object:
        self.done.append(job.value)
        word = job.value if isinstance(job.value, str) else job.text
        if word == "fail":
            raise Fail("no such word")
        if word == "raise":
            raise ValueError("what a word")
        return word.upper()

    def spell(self, job: AssignedJob) -> Iterator[str]:
        yield from job.text


@pytest.fixture
def reducer(server: str) -> Iterator[Reducer]:
    reducer = Reducer(server)
    with running(reducer.worker):
        yield reducer


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client


def map_reduce(client: Client, *texts: str, reducer: str = "shout") -> list[bytes]:
    return list(client.map_reduce("split", reducer, texts, timeout=PATIENCE))


@pytest.mark.usefixtures("reducer")
class TestAPartition:
    @pytest.mark.parametrize("in_pieces", [True, False])
    def test_has_its_parts_done_and_joins_them_in_order(
        self, partition: Callable[..., Any], client: Client, in_pieces: bool
    ) -> None:
        with partition(in_pieces=in_pieces, max_in_flight=2):
            assert map_reduce(client, "this dog does not hunt", "a b") == [b"THISDOGDOESNOTHUNT", b"AB"]

    def test_takes_all_that_a_reducer_sends(self, partition: Callable[..., Any], client: Client) -> None:
        with partition():
            assert map_reduce(client, "ab cd", reducer="spell") == [b"abcd"]

    def test_does_all_parts_even_if_its_aggregate_skips_some(
        self, partition: Callable[..., Any], client: Client, reducer: Reducer
    ) -> None:
        with partition(aggregate=True, max_in_flight=2):
            assert map_reduce(client, "a b c d") == [b"b'A' b'B'"]

        assert sorted(reducer.done) == [b"a", b"b", b"c", b"d"]  # type: ignore[type-var]  # they are bytes

    def test_fails_with_a_part(self, partition: Callable[..., Any], client: Client) -> None:
        with partition():
            with pytest.raises(JobFailed):
                map_reduce(client, "a fail b")
            with pytest.raises(JobException, match="ValueError: what a word"):
                map_reduce(client, "a raise b")
            assert map_reduce(client, "it goes on") == [b"ITGOESON"]

    def test_knows_a_reducer_for_jobs_that_name_none(self, partition: Callable[..., Any], client: Client) -> None:
        with partition(reducer="shout"):
            assert client.do("split", "a b", timeout=PATIENCE) == b"AB"
            assert map_reduce(client, "a b", reducer="spell") == [b"ab"]

    def test_is_an_ordinary_function_without_any(self, partition: Callable[..., Any], client: Client) -> None:
        with partition():
            job = client.submit("split", "a b")

            assert [event.data for event in job if hasattr(event, "data")] == [b"a", b"b"]
            assert job.result() == b""


def test_values_travel_by_the_codec(partition: Callable[..., Any], server: str) -> None:
    with running(Reducer(server, codec=JSON).worker), partition(codec=JSON), Client(server, codec=JSON) as client:
        assert list(client.map_reduce("split", "shout", ["a b", "c"], timeout=PATIENCE)) == [["A", "B"], ["C"]]


@pytest.mark.usefixtures("reducer")
def test_parts_are_made_as_their_results_are_asked_for(server: str, client: Client) -> None:
    """So neither parts nor results are ever in memory all at once."""
    made = 0
    ahead: list[int] = []
    worker = Worker(server)

    def count(words: Iterator[bytes]) -> str:
        for number, _ in enumerate(words, 1):
            ahead.append(made - number)
        return str(len(ahead))

    @worker.partition(aggregate=count, max_in_flight=5)
    def split(job: AssignedJob) -> Iterator[str]:
        nonlocal made
        for number in range(200):
            made = number + 1
            yield f"word {number}"

    with running(worker):
        assert map_reduce(client, "text") == [b"200"]

    assert max(ahead) < 5


@pytest.mark.usefixtures("reducer")
def test_inputs_may_be_without_end(server: str, client: Client) -> None:
    taken: list[int] = []
    worker = Worker(server)
    worker.add_partition("split", lambda job: (word for word in job.text.split()))

    def inputs() -> Iterator[str]:
        for number in itertools.count():
            taken.append(number)
            yield f"{number} a"

    with running(worker):
        results = client.map_reduce("split", "shout", inputs(), max_in_flight=4, timeout=PATIENCE)
        first = list(itertools.islice(results, 20))

    assert first == [f"{number}A".encode() for number in range(20)]
    assert len(taken) <= 24


def test_a_part_whose_worker_leaves_is_done_by_another(partition: Callable[..., Any], server: str) -> None:
    begun, released = threading.Event(), threading.Event()
    lost = Worker(server)

    @lost.function
    def shout(job: AssignedJob) -> str:
        begun.set()
        released.wait(PATIENCE)
        return "too late"

    thread = threading.Thread(target=lost.run)
    thread.start()
    with partition(), Client(server) as client:
        job = client.submit_many([JobRequest("split", "a b", reducer="shout")])[0]
        assert begun.wait(PATIENCE)
        lost.stop(grace=0)
        thread.join(PATIENCE)
        with running(Reducer(server).worker):
            assert job.result(PATIENCE) == b"AB"
        released.set()


@pytest.mark.usefixtures("reducer")
def test_its_end_cannot_be_called(server: str, client: Client) -> None:
    worker = Worker(server)

    @worker.partition
    def split(job: AssignedJob) -> None:
        getattr(job, job.text)(*([b""] if job.text == "complete" else []))

    with running(worker):
        for way in ("fail", "complete"):
            with pytest.raises(
                JobException, match="RuntimeError: a partition's job ends with the results of its parts"
            ):
                map_reduce(client, way)


def test_names_have_the_prefix_once(server: str) -> None:
    """The reducer's name comes with it, as it does from libgearman."""
    splitter, shouter = Worker(server, prefix="my."), Worker(server, prefix="my.")
    shouter.add_function("shout", lambda job: job.text.upper())

    @splitter.partition(reducer="shout")
    def split(job: AssignedJob) -> Iterator[str]:
        yield from job.text.split()

    with running(splitter, shouter), Client(server, prefix="my.") as client:
        assert map_reduce(client, "a b") == [b"AB"]
        assert client.do("split", "a b", timeout=PATIENCE) == b"AB"


def test_an_unsuitable_function_is_rejected(server: str) -> None:
    def typed(text: str) -> list[str]:
        raise AssertionError

    with pytest.raises(TypeError, match="has typed arguments; a partition takes the job"):
        Worker(server).add_partition("f", typed)
    with pytest.raises(TypeError, match="is asynchronous"):
        Worker(server).add_partition("f", asynchronous_function)
    with pytest.raises(TypeError, match="is not an async def"):
        AsyncWorker(server).add_partition("f", lambda job: None)
    with pytest.raises(TypeError, match="is not an async def, which takes an asynchronous iterator"):
        AsyncWorker(server).add_partition("f", asynchronous_function, aggregate=list)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_in_flight"):
        Worker(server).add_partition("f", print, max_in_flight=0)


async def asynchronous_function(job: object) -> None: ...


class TestARequest:
    """The packet of a job with a reducer (protocol 1.17)."""

    @pytest.mark.parametrize(
        ("background", "command"),
        [(False, Command.SUBMIT_REDUCE_JOB), (True, Command.SUBMIT_REDUCE_JOB_BACKGROUND)],
    )
    def test_names_both_functions(self, background: bool, command: Command) -> None:
        wanted = JobRequest("split", "text", "u", reducer="shout")

        packet = submission(wanted, prefix="my.", background=background).packet

        assert packet[4:8] == command.to_bytes(4, "big")
        assert packet[12:] == b"my.split\0u\0my.shout\0\0text"

    def test_has_no_priority_no_time_and_no_long_name(self) -> None:
        with pytest.raises(ValueError, match="no priority"):
            submission(JobRequest("split", reducer="shout", priority=Priority.HIGH))
        with pytest.raises(ValueError, match="no reducer"):
            submission(JobRequest("split", reducer="shout"), start=start_of(7, None, 0.0))
        with pytest.raises(LocalProtocolError, match="may have 64 bytes with its prefix, not 65"):
            submission(JobRequest("split", reducer="r" * 63), prefix="my")
