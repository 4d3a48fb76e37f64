# SPDX-License-Identifier: MIT
"""Geartrain, for asyncio."""

from collections.abc import Iterable

import uvloop

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse
from geartrain import AsyncAssignedJob, AsyncClient, AsyncWorker, JobRequest

PLACE = Place.of_this_process()


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    uvloop.run(_enqueue(payloads))


async def _enqueue(payloads: Iterable[str]) -> None:
    async with AsyncClient(PLACE.broker) as client:
        for payload in payloads:
            await client.submit_background("reverse", payload)


def enqueue_batches(batches: Iterable[list[str]]) -> None:
    """Submit jobs many at a time."""
    uvloop.run(_enqueue_batches(batches))


async def _enqueue_batches(batches: Iterable[list[str]]) -> None:
    async with AsyncClient(PLACE.broker) as client:
        for batch in batches:
            await client.submit_background_many(JobRequest("reverse", payload) for payload in batch)


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    uvloop.run(_call(calls))


async def _call(calls: Calls) -> None:
    async with AsyncClient(PLACE.broker) as client:
        for payload in calls:
            result = await client.do("reverse", payload, timeout=30)
            calls.answer(result.decode())


def work() -> None:
    """Be a worker."""
    uvloop.run(_work())


async def _work() -> None:
    worker = AsyncWorker(PLACE.broker)

    @worker.function("reverse")
    async def answer(job: AsyncAssignedJob) -> str:
        return reverse(job.text)

    await worker.run()
