# SPDX-License-Identifier: MIT
"""The types of functions with arguments, for mypy; test_typing.py describes the test."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import assert_type

from geartrain import (
    AssignedJob,
    AsyncAssignedJob,
    AsyncClient,
    AsyncSubmittedJob,
    AsyncWorker,
    Client,
    Data,
    Handle,
    Priority,
    Progress,
    SubmittedJob,
    Warn,
    Worker,
)

worker = Worker("localhost")
async_worker = AsyncWorker("localhost")


@dataclass
class Box:
    left: int


@worker.function
def resize(image_id: int, width: int = 200) -> str:
    return f"{image_id}@{width}"


@worker.function("shop.crop", timeout=30)
def crop(box: Box, *, times: int) -> list[Box]:
    return [box] * times


@worker.function
def scan(job: AssignedJob, pages: int) -> float:
    job.progress(pages, pages)
    return 1.0


@worker.function
def reverse(job: AssignedJob) -> bytes:
    return job.workload[::-1]


@async_worker.function
async def fetch(url: str, tries: int = 3) -> bytes:
    return url.encode() * tries


@async_worker.function("slow")
async def slow(job: AsyncAssignedJob, seconds: float) -> None:
    await job.progress(0, 1)


@async_worker.function
async def stream(job: AsyncAssignedJob) -> AsyncIterator[str]:
    yield job.text


class Camera:
    def shoot(self, exposure: float) -> bytes:
        return b"click"


shoot = worker.function(Camera().shoot)


def called() -> None:
    assert_type(resize(7), str)
    assert_type(resize.do(7, width=100), str)
    assert_type(resize.submit(7), SubmittedJob[str])
    assert_type(resize.submit(7).result(timeout=1), str)
    assert_type(resize.submit_background(7), Handle)
    assert_type(resize.map(resize.bind(number) for number in range(3)), Iterator[str])
    for _, path in resize.map_unordered([resize.bind(7)]):
        assert_type(path, str)
    assert_type(resize.submit_many([resize.bind(7)]), list[SubmittedJob[str]])
    assert_type(resize.with_options(priority=Priority.HIGH, timeout=3).do(7), str)
    assert_type(crop.do(Box(1), times=2), list[Box])
    assert_type(scan.do(3), float)
    assert_type(shoot.do(0.1), bytes)
    for event in resize.submit(7):
        assert_type(event, Data[str] | Warn | Progress)

    resize("7")  # type: ignore[arg-type]
    resize.do("7")  # type: ignore[arg-type]
    resize.do()  # type: ignore[call-arg]
    resize.do(7, 100, 3)  # type: ignore[call-arg]
    resize.submit(7, widht=100)  # type: ignore[call-arg]
    resize.submit_background(7, width="wide")  # type: ignore[arg-type]
    resize.bind(None)  # type: ignore[arg-type]
    resize.do(7).append("x")  # type: ignore[attr-defined]
    resize.map([7])  # type: ignore[list-item]
    resize.map([scan.bind(7)])  # type: ignore[list-item]
    resize.map_unordered([7])  # type: ignore[list-item]
    resize.with_options(prio=1)  # type: ignore[call-arg]
    resize.with_options(priority="high")  # type: ignore[arg-type]
    crop.do(Box(1), 2)  # type: ignore[call-arg]
    crop.do({"left": 1}, times=2)  # type: ignore[arg-type]
    scan.do(AssignedJob, 3)  # type: ignore[call-arg, arg-type]
    scan(3)  # type: ignore[call-arg, arg-type]
    shoot.do("long")  # type: ignore[arg-type]
    reverse.do("x")  # type: ignore[attr-defined]  # a function of jobs stays what it was


async def awaited() -> None:
    assert_type(await fetch("u"), bytes)
    assert_type(await fetch.do("u", tries=1), bytes)
    assert_type(await fetch.submit("u"), AsyncSubmittedJob[bytes])
    assert_type(await (await fetch.submit("u")), bytes)
    assert_type(await slow.do(0.5), None)
    assert_type([result async for result in fetch.map(fetch.bind(url) for url in "ab")], list[bytes])
    async for _, page in fetch.map_unordered([fetch.bind("a")]):
        assert_type(page, bytes)
    async for event in await fetch.submit("u"):
        assert_type(event, Data[bytes] | Warn | Progress)

    fetch.do("u").upper()  # type: ignore[attr-defined]  # it is to be awaited
    await fetch.do(b"u")  # type: ignore[arg-type]
    await fetch.do()  # type: ignore[call-arg]
    await slow.do("long")  # type: ignore[arg-type]
    await stream.do("x")  # type: ignore[attr-defined]


def by_a_stub(client: Client) -> None:
    @client.function
    def resize(image_id: int, width: int = 200) -> str:
        raise NotImplementedError

    @client.function("shop.crop")
    def crop(box: Box) -> list[Box]:
        raise NotImplementedError

    assert_type(resize.do(7), str)
    assert_type(crop.submit(Box(1)), SubmittedJob[list[Box]])
    assert_type(client.function(scan).do(3), float)
    assert_type(client.function(fetch).do("u"), bytes)

    resize(7)  # type: ignore[operator]  # it has no body
    resize.do("7")  # type: ignore[arg-type]
    crop.do(1)  # type: ignore[arg-type]
    client.function(7)  # type: ignore[call-overload]


async def by_an_awaited_stub(client: AsyncClient) -> None:
    @client.function
    def resize(image_id: int, width: int = 200) -> str:
        raise NotImplementedError

    @client.function("fetch")
    async def get(url: str) -> bytes:
        raise NotImplementedError

    assert_type(await resize.do(7), str)
    assert_type(await get.do("u"), bytes)
    assert_type(await client.function(scan).do(3), float)

    await resize.do("7")  # type: ignore[arg-type]
    await get.do(7)  # type: ignore[arg-type]
