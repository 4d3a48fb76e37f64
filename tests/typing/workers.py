# SPDX-License-Identifier: MIT
"""The types of the workers, for mypy; test_typing.py describes the test."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, assert_type

from geartrain import JSON, AssignedJob, AsyncAssignedJob, AsyncWorker, Worker
from geartrain.worker import Reason

worker = Worker(["a", "b"], concurrency=4, executor="process", codec=JSON, max_jobs=3, grace=1.5)
async_worker = AsyncWorker(prefix="my.", middleware=[])


@worker.function
def plain(job: AssignedJob) -> bytes:
    assert_type(job.workload, bytes)
    assert_type(job.text, str)
    assert_type(job.reducer, str)
    job.data(b"part")
    job.progress(1, 2)
    job.progress("half")  # type: ignore[call-arg, arg-type]
    job.warning(3)  # type: ignore[arg-type]
    job.workload = b""  # type: ignore[misc]
    return job.workload


@worker.function("count", timeout=30)
def count(job: AssignedJob) -> Iterator[str]:
    yield from job.text


@worker.partition
def lines(job: AssignedJob) -> Iterator[str]:
    yield from job.text.splitlines()


@worker.partition("words", reducer="count", aggregate=lambda results: sum(map(int, results)), max_in_flight=5)
def words(job: AssignedJob) -> Iterator[str]:
    yield from job.text.split()


@worker.middleware
def around(job: AssignedJob, call: Callable[[AssignedJob], object]) -> object:
    return call(job)


@async_worker.function
async def fetch(job: AsyncAssignedJob) -> bytes:
    await job.progress(1, 2)
    return job.workload


async def join(results: AsyncIterator[Any]) -> str:
    return ",".join([result async for result in results])


@async_worker.partition(reducer="count", aggregate=join)
async def pieces(job: AsyncAssignedJob) -> AsyncIterator[str]:
    yield job.text


def right() -> None:
    assert_type(worker.run(burst=True, idle_timeout=3), Reason)
    worker.add_function("plain", plain, timeout=3)
    worker.add_partition("lines", lines, reducer="count")
    worker.remove_function(b"plain")
    worker.stop(grace=1)
    assert_type(list(lines(_job())), list[str])
    assert_type(plain(_job()), bytes)


def wrong() -> None:
    Worker(concurency=3)  # type: ignore[call-arg]
    Worker(executor="fork")  # type: ignore[arg-type]
    Worker(codec="json")  # type: ignore[arg-type]
    AsyncWorker(executor="process")  # type: ignore[call-arg]
    worker.function(timeout="3")  # type: ignore[call-overload]
    worker.function(3)  # type: ignore[call-overload]
    worker.partition(aggregate=join)(lines)  # type: ignore[arg-type]
    worker.partition(max_in_flight="5")  # type: ignore[call-overload]
    worker.add_function(plain)  # type: ignore[call-arg, arg-type]
    worker.run(burst=True).upper()  # type: ignore[attr-defined]
    async_worker.function(lambda: 3)  # type: ignore[type-var]
    async_worker.run(burst=True).name.upper()  # type: ignore[attr-defined]  # it is to be awaited


def _job() -> AssignedJob:
    raise NotImplementedError
