# SPDX-License-Identifier: MIT
"""Middleware of clients: functions around every request, with clients of both kinds."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from geartrain import JSON, AsyncClient, Client, JobRequest
from geartrain.testing import AsyncEagerClient, EagerClient

FUNCTIONS = {"f": lambda job: job.workload.upper(), "g": lambda job: b"g"}
AsyncCall = Callable[[JobRequest], Awaitable[Any]]
# Each call, and the results that the middleware gets from it.
CALLS: dict[str, tuple[Callable[[Client], object], list[object]]] = {
    "do": (lambda client: client.do("f", "a"), [b"A"]),
    "submit": (lambda client: client.submit("f", "a").result(), [b"A"]),
    "submit_many": (
        lambda client: [job.result() for job in client.submit_many([JobRequest("f", "a")])],
        ["sent later"],
    ),
    "enqueue": (lambda client: client.enqueue("f", "a"), ["H:eager:1"]),
    "submit_background_many": (lambda client: client.submit_background_many([JobRequest("f", "a")]), [None]),
    "map": (lambda client: list(client.map("f", ["a", "b"])), [b"A", b"B"]),
    "map_unordered": (lambda client: list(client.map_unordered("f", ["a"])), [b"A"]),
    "map_reduce": (lambda client: list(client.map_reduce("f", "g", ["a"])), [b"A"]),
    "another codec": (lambda client: client.with_codec(JSON).submit_background("f", "a"), ["H:eager:1"]),
}


def shown(outcome: Any) -> object:
    """Return the value of what a call has returned."""
    if hasattr(outcome, "result"):
        return outcome._outcome[0] if outcome.done() else "sent later"
    return outcome if outcome is None or isinstance(outcome, bytes) else str(outcome)


@pytest.mark.parametrize("name", CALLS)
def test_every_request_passes_the_middleware(name: str) -> None:
    call, expected = CALLS[name]
    seen: list[tuple[object, object]] = []
    client = EagerClient(FUNCTIONS)

    @client.middleware
    def note(request: JobRequest, call: Callable[[JobRequest], Any]) -> Any:
        outcome = call(request)
        seen.append((request.function, shown(outcome)))
        return outcome

    call(client)

    assert seen == [("f", outcome) for outcome in expected]


async def all_of(items: Any) -> list[Any]:
    return [item async for item in items]


ASYNC_CALLS: dict[str, tuple[Callable[[AsyncClient], Coroutine[Any, Any, object]], list[object]]] = {
    "do": (lambda client: client.do("f", "a"), [b"A"]),
    "submit": (lambda client: client.submit("f", "a"), [b"A"]),
    "submit_many": (lambda client: client.submit_many([JobRequest("f", "a")]), ["sent later"]),
    "enqueue": (lambda client: client.enqueue("f", "a"), ["H:eager:1"]),
    "submit_background_many": (lambda client: client.submit_background_many([JobRequest("f", "a")]), [None]),
    "map": (lambda client: all_of(client.map("f", ["a", "b"])), [b"A", b"B"]),
    "map_unordered": (lambda client: all_of(client.map_unordered("f", ["a"])), [b"A"]),
    "map_reduce": (lambda client: all_of(client.map_reduce("f", "g", ["a"])), [b"A"]),
    "another codec": (lambda client: client.with_codec(JSON).submit_background("f", "a"), ["H:eager:1"]),
}


@pytest.mark.parametrize("name", ASYNC_CALLS)
def test_every_request_passes_the_asynchronous_middleware(name: str) -> None:
    call, expected = ASYNC_CALLS[name]
    seen: list[tuple[object, object]] = []

    async def main() -> None:
        client = AsyncEagerClient(FUNCTIONS)

        @client.middleware
        async def note(request: JobRequest, call: AsyncCall) -> Any:
            outcome = await call(request)
            seen.append((request.function, shown(outcome)))
            return outcome

        await call(client)

    asyncio.run(main())

    assert seen == [("f", outcome) for outcome in expected]


def test_middleware_may_change_the_request_and_the_result() -> None:
    """The one added first is outermost."""
    client = EagerClient(FUNCTIONS)
    client.middleware(lambda request, call: call(replace(request, workload="b")) + b" outer")
    client.middleware(lambda request, call: call(replace(request, workload=f"{request.workload}c")) + b" inner")

    assert client.do("f", "a") == b"BC inner outer"


def test_asynchronous_middleware_may_change_the_request_and_the_result() -> None:
    async def main() -> bytes:
        client = AsyncEagerClient(FUNCTIONS)

        @client.middleware
        async def change(request: JobRequest, call: AsyncCall) -> bytes:
            result: bytes = await call(replace(request, workload="b"))
            return result + b" changed"

        return await client.do("f", "a")

    assert asyncio.run(main()) == b"B changed"


def test_an_error_of_the_middleware_is_the_callers() -> None:
    client = EagerClient(FUNCTIONS)

    @client.middleware
    def refuse(request: JobRequest, call: Callable[[JobRequest], Any]) -> Any:
        raise PermissionError(request.function)

    for call, _ in CALLS.values():
        with pytest.raises(PermissionError):
            call(client)
    assert client.jobs == []
