# SPDX-License-Identifier: MIT
"""Functions with plain arguments: workers that do them, and everybody who may call them."""

import asyncio
import contextlib
import dataclasses
import gc
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from geartrain import (
    JSON,
    ArgumentError,
    AssignedJob,
    AsyncAssignedJob,
    AsyncClient,
    AsyncWorker,
    Client,
    Data,
    JobException,
    Priority,
    Progress,
    Worker,
)
from tests.twins import LOOPS, Driven

PATIENCE = 60.0  # seconds that nothing takes unless it will take for ever


@dataclasses.dataclass
class Box:
    left: int
    top: int = 0


class Shop:
    """Functions of a blocking worker."""

    def __init__(self, server: str, **options: Any) -> None:
        self.worker = Worker(server, **options)
        self.called: list[object] = []
        self.resize = self.worker.function(self._resize)
        self.crop = self.worker.function("shop.crop")(self._crop)
        self.forget = self.worker.function(self._forget)
        self.slow = self.worker.function(self._slow)

    def _resize(self, image_id: int, width: int = 200) -> str:
        self.called.append(image_id)
        return f"{image_id}@{width}"

    def _crop(self, boxes: list[Box], *, loud: bool = False) -> list[Box] | None:
        return [Box(box.left + 1, box.top) for box in boxes] if loud else None

    def _forget(self) -> None:
        pass

    def _slow(self, job: AssignedJob, steps: int) -> list[int]:
        for step in range(steps):
            job.progress(step + 1, steps)
            job.data([step])
        return list(range(steps))

    def run(self) -> None:
        self.worker.run()


class AsyncShop:
    """The same of an asyncio worker."""

    def __init__(self, server: str, loop: Callable[[], asyncio.AbstractEventLoop], **options: Any) -> None:
        self.loop = loop
        self.worker = AsyncWorker(server, **options)
        self.called: list[object] = []
        self.resize = self.worker.function(self._resize)
        self.crop = self.worker.function("shop.crop")(self._crop)
        self.forget = self.worker.function(self._forget)
        self.slow = self.worker.function(self._slow)

    async def _resize(self, image_id: int, width: int = 200) -> str:
        self.called.append(image_id)
        return f"{image_id}@{width}"

    async def _crop(self, boxes: list[Box], *, loud: bool = False) -> list[Box] | None:
        return [Box(box.left + 1, box.top) for box in boxes] if loud else None

    async def _forget(self) -> None:
        pass

    async def _slow(self, job: AsyncAssignedJob, steps: int) -> list[int]:
        for step in range(steps):
            await job.progress(step + 1, steps)
            await job.data([step])
        return list(range(steps))

    def run(self) -> None:
        with asyncio.Runner(loop_factory=self.loop) as runner:
            runner.run(self.worker.run())


@contextlib.contextmanager
def open_shop(shop: Shop | AsyncShop) -> Iterator[None]:
    thread = threading.Thread(target=shop.run)
    thread.start()
    try:
        yield
    finally:
        shop.worker.stop(grace=PATIENCE)
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture(params=["threads", *LOOPS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_shop(kind: str, server: str) -> Callable[..., Any]:
    def make(**options: Any) -> Shop | AsyncShop:
        return Shop(server, **options) if kind == "threads" else AsyncShop(server, LOOPS[kind], **options)

    return make


@pytest.fixture
def shop(make_shop: Callable[..., Any]) -> Iterator[Any]:
    shop = make_shop()
    with open_shop(shop):
        yield shop


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client


@pytest.fixture
def call(kind: str) -> Iterator[Callable[[Any], Any]]:
    """Have a function of either kind called as if it were a blocking one."""
    if kind == "threads":
        yield lambda function: function
    else:
        with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:

            async def listed(results: Any) -> list[Any]:
                return [result async for result in results]

            class Called(Driven):
                def with_options(self, **options: Any) -> "Called":
                    return Called(self._subject.with_options(**options), runner)  # type: ignore[attr-defined]

                def map(self, calls: Any) -> Any:
                    return runner.run(listed(self._subject.map(calls)))  # type: ignore[attr-defined]

                def map_unordered(self, calls: Any) -> Any:
                    return runner.run(listed(self._subject.map_unordered(calls)))  # type: ignore[attr-defined]

                def submit(self, *args: Any, **kwargs: Any) -> Any:
                    job = runner.run(self._subject.submit(*args, **kwargs))  # type: ignore[attr-defined]
                    return Driven(job, runner)

                def __call__(self, *args: Any, **kwargs: Any) -> Any:
                    return runner.run(self._subject(*args, **kwargs))  # type: ignore[operator]

            yield lambda function: Called(function, runner)


class TestAWorker:
    def test_calls_a_function_with_arguments_that_anybody_may_send_as_json(self, shop: Any, client: Client) -> None:
        assert client.do("_resize", '{"image_id": 7, "width": 100}', timeout=PATIENCE) == b'"7@100"'
        assert client.do("_resize", "[7]", timeout=PATIENCE) == b'"7@200"'
        assert client.do("shop.crop", '{"loud": true, "boxes": [{"left": 1}]}', timeout=PATIENCE) == (
            b'[{"left":2,"top":0}]'
        )
        assert client.do("_forget", timeout=PATIENCE) == b"null"

    def test_does_not_call_it_with_others_and_says_why(self, shop: Any, client: Client) -> None:
        with pytest.raises(
            JobException, match=r"ArgumentError: _resize\(\): image_id \(int\): Expected `int`, got `str"
        ):
            client.do("_resize", '["x"]', timeout=PATIENCE)

        assert shop.called == []

    def test_gives_it_the_job_if_it_asks_for_it(self, shop: Any, client: Client) -> None:
        job = client.with_codec(JSON).submit("_slow", {"steps": 2})

        assert list(job) == [Progress(1, 2), Data([0]), Progress(2, 2), Data([1])]
        assert job.result() == [0, 1]

    def test_may_speak_another_language_with_its_other_functions(
        self, make_shop: Callable[..., Any], client: Client
    ) -> None:
        shop = make_shop(codec=JSON, prefix="my.")
        with open_shop(shop):
            assert client.do("my._resize", "[7]", timeout=PATIENCE) == b'"7@200"'


class TestACall:
    def test_of_the_function_itself_is_a_plain_call(self, make_shop: Callable[..., Any], call: Any) -> None:
        """No server is needed for it, nor a worker that runs."""
        shop = make_shop()

        assert call(shop.resize)(7, width=1) == "7@1"
        assert shop.resize.__name__ == "_resize"

    def test_is_done_by_a_worker(self, shop: Any, call: Any) -> None:
        assert call(shop.resize).do(7, width=100) == "7@100"
        assert call(shop.crop).do([Box(1)], loud=True) == [Box(2)]
        assert call(shop.crop).do([]) is None
        assert call(shop.forget).do() is None

    def test_finds_a_worker_with_a_prefix(self, make_shop: Callable[..., Any], call: Any) -> None:
        shop = make_shop(prefix="my.")
        with open_shop(shop):
            assert call(shop.resize).do(7) == "7@200"

    def test_can_be_waited_for(self, shop: Any, call: Any) -> None:
        job = call(shop.resize).submit(7)

        assert job.result(PATIENCE) == "7@200"

    def test_can_be_a_background_job(self, shop: Any, call: Any, client: Client) -> None:
        handle = call(shop.resize).submit_background(7)

        assert str(handle)
        client.do("_forget", timeout=PATIENCE)

    def test_may_be_one_of_many(self, shop: Any, call: Any) -> None:
        resize = call(shop.resize)

        assert list(resize.map(shop.resize.bind(n, width=1) for n in range(300))) == [f"{n}@1" for n in range(300)]

    def test_may_be_one_of_many_that_end_in_any_order(self, shop: Any, call: Any) -> None:
        resize = call(shop.resize).with_options(max_in_flight=5, return_exceptions=True)
        calls = {shop.resize.bind(number, width=1): number for number in range(20)}

        found = {calls[arguments]: result for arguments, result in resize.map_unordered(calls)}

        assert found == {number: f"{number}@1" for number in range(20)}

    def test_with_wrong_arguments_is_refused_before_anything_is_sent(
        self, make_shop: Callable[..., Any], call: Any
    ) -> None:
        """There is no worker: a call that was sent would wait for ever."""
        resize = call(make_shop().resize)

        for way in (resize.do, resize.submit, resize.submit_background):
            with pytest.raises(ArgumentError, match="image_id"):
                way("7")
            with pytest.raises(TypeError, match="missing"):
                way()

    def test_takes_options_apart_from_its_arguments(self, shop: Any, call: Any) -> None:
        urgent = call(shop.resize).with_options(priority=Priority.HIGH, timeout=PATIENCE)

        assert urgent.with_options(unique="u").do(7) == "7@200"
        with pytest.raises(ValueError, match=r"submit\(\) has no use for the option timeout.*do\(\)"):
            urgent.submit(7)
        with pytest.raises(TypeError, match="no option 'prio'"):
            urgent.with_options(prio=1)
        with pytest.raises(TypeError, match="a job has no option 'dealy'; did you mean 'delay'"):
            urgent.with_options(dealy=1)


class TestAProgramWithoutTheWorkersCode:
    @pytest.mark.parametrize("given", [3, None, b"resize"])
    def test_takes_only_a_function_or_a_name(self, client: Client, given: Any) -> None:
        with pytest.raises(TypeError, match="this decorator takes a function, or the name of one, not "):
            client.function(given)

    def test_binds_a_stub_to_its_client(self, shop: Any, client: Client) -> None:
        @client.function
        def _resize(image_id: int, width: int = 200) -> str:
            raise NotImplementedError

        @client.function("shop.crop")
        def crop(boxes: list[Box], *, loud: bool = False) -> list[Box] | None:
            raise NotImplementedError

        assert _resize.do(7, width=100) == "7@100"
        assert crop.do([Box(1)], loud=True) == [Box(2)]
        assert repr(_resize) == "<RemoteFunction _resize(image_id: int, width: int = 200) -> str>"

    def test_does_so_in_an_event_loop(self, shop: Any, server: str) -> None:
        def _resize(image_id: int, width: int = 200) -> str:
            raise NotImplementedError

        async def main() -> list[object]:
            async with AsyncClient(server) as client:
                resize = client.function(_resize)
                job = await resize.submit(1)
                mapped = [each async for each in resize.map(resize.bind(n) for n in range(2, 4))]
                return [await job, *mapped, repr(resize)]

        told = asyncio.run(main())

        assert told == [
            "1@200",
            "2@200",
            "3@200",
            "<AsyncRemoteFunction _resize(image_id: int, width: int = 200) -> str>",
        ]

    def test_may_take_the_workers_function_to_its_own_client(self, make_shop: Callable[..., Any], server: str) -> None:
        shop = make_shop(prefix="my.")
        with open_shop(shop), Client(server, prefix="my.") as client:
            assert client.function(shop.resize).do(7) == "7@200"


def test_a_result_that_is_none_of_the_type_is_an_error(server: str) -> None:
    with Client(server) as client:
        worker = Worker(server)
        worker.add_function("resize", lambda job: b"7")

        @client.function
        def resize(image_id: int) -> str:
            raise NotImplementedError

        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            with pytest.raises(ValueError, match=r"the result of resize\(\) \(str\): Expected `str`, got `int`"):
                resize.do(7)
        finally:
            worker.stop(grace=0)
            thread.join(PATIENCE)


def test_threads_may_share_a_function(server: str) -> None:
    shop = Shop(server, concurrency=4)
    with open_shop(shop), ThreadPoolExecutor(8) as pool:
        assert list(pool.map(shop.resize.do, range(100))) == [f"{n}@200" for n in range(100)]


def test_a_forked_child_may_go_on_calling(server: str) -> None:
    shop = Shop(server)
    with open_shop(shop):
        assert shop.resize.do(1) == "1@200"
        child = os.fork()
        if child == 0:  # pragma: no cover  # in the child
            try:
                os._exit(0 if shop.resize.with_options(timeout=PATIENCE).do(2) == "2@200" else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert shop.resize.do(3) == "3@200"


def test_its_connection_ends_with_the_worker(server: str) -> None:
    shop = Shop(server)
    with open_shop(shop):
        shop.resize.do(1)
        assert any(thread.name.startswith("geartrain") for thread in threading.enumerate())

    del shop
    gc.collect()

    for thread in threading.enumerate():
        if thread.name.startswith("geartrain"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_a_function_that_says_too_little_is_refused(server: str) -> None:
    worker = Worker(server)

    def add(a, b):  # type: ignore[no-untyped-def]  # which is the point
        raise AssertionError

    def act(connection: threading.Thread) -> None: ...

    with pytest.raises(TypeError, match=r"add\(\): the parameter a has no annotation"):
        worker.add_function("add", add)
    with pytest.raises(TypeError, match=r"act\(\): connection: Thread has no form in JSON"):
        worker.function(act)
    with pytest.raises(TypeError, match=r"use geartrain\.Worker for it"):
        AsyncWorker(server).add_function("resize", lambda: None)
