# SPDX-License-Identifier: MIT
"""One interface to both clients: the blocking one as it is, and the asyncio one behind blocking calls.

The event loop runs in a thread of its own all the time, like that of a program.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

import pytest

from geartrain import AsyncClient, AsyncSubmittedJob, Client, SubmittedJob, as_completed
from geartrain.client import aio
from tests.client.peers import PATIENCE
from tests.twins import LOOPS

__all__ = ["LoopThread", "Shell", "shell"]

Value = TypeVar("Value")


class Shell(Protocol):
    """A factory of clients of one kind."""

    def client(self, *servers: object, **options: Any) -> Client:
        """Return a client; the arguments are those of `Client`."""

    def as_completed(self, jobs: Iterable[SubmittedJob], timeout: float | None = None) -> Iterator[SubmittedJob]: ...


class Blocking:
    """The blocking client, as it is."""

    def client(self, *servers: Any, **options: Any) -> Client:
        return Client(*servers, **options)

    def as_completed(self, jobs: Iterable[SubmittedJob], timeout: float | None = None) -> Iterator[SubmittedJob]:
        return as_completed(jobs, timeout)


class LoopThread:
    """An event loop in a thread, and calls into it."""

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self.loop = new_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            self._stop = asyncio.Event()
            runner.run(self._stop.wait())

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(lambda: self._stop.set())
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE * 2)

    def call(self, function: Callable[[], Value]) -> Value:
        async def called() -> Value:
            return function()

        return self.run(called())


class InLoop:
    """The asyncio client, whose calls are made in a loop and waited for here."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread

    def client(self, *servers: Any, **options: Any) -> Client:
        return cast(Client, Facade(AsyncClient(*servers, **options), self._thread))

    def as_completed(self, jobs: Iterable[SubmittedJob], timeout: float | None = None) -> Iterator[SubmittedJob]:
        facades = cast(Iterable[Facade], jobs)
        inner = [facade.subject for facade in facades]
        return cast(Iterator[SubmittedJob], Iteration(aio.as_completed(inner, timeout), self._thread))


class Facade:
    """A client or a job of the loop, as threads would have it."""

    def __init__(self, subject: Any, thread: LoopThread) -> None:
        self.subject = subject
        self._thread = thread

    def __repr__(self) -> str:
        return repr(self.subject)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.run(self.subject.close())

    def __iter__(self) -> "Iteration":
        return Iteration(self._thread.call(self.subject.__aiter__), self._thread)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.subject, name)
        return self._calling(member) if callable(member) else member

    def _calling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object, **options: object) -> object:
            async def called() -> object:
                result = method(*arguments, **options)
                return await result if asyncio.iscoroutine(result) else result

            return _wrapped(self._thread.run(called()), self._thread)

        return call


class Iteration:
    """An asynchronous iteration, as threads would have it."""

    def __init__(self, items: AsyncIterator[object], thread: LoopThread) -> None:
        self._items = items
        self._thread = thread

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> object:
        async def following() -> object:
            return await anext(self._items)

        try:
            return _wrapped(self._thread.run(following()), self._thread)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        self._thread.run(cast(Any, self._items).aclose())


def _wrapped(result: object, thread: LoopThread) -> object:
    if isinstance(result, AsyncSubmittedJob):
        return Facade(result, thread)
    if isinstance(result, AsyncIterator):
        return Iteration(result, thread)
    if isinstance(result, list):
        return [_wrapped(each, thread) for each in result]
    return result


@pytest.fixture(params=["blocking", *LOOPS])
def shell(request: pytest.FixtureRequest) -> Iterator[Shell]:
    """Both shells, the asyncio one on both kinds of loops."""
    if request.param == "blocking":
        yield Blocking()
        return
    thread = LoopThread(LOOPS[request.param])
    yield InLoop(thread)
    thread.stop()
