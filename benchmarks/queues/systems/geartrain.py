# SPDX-License-Identifier: MIT
"""Geartrain, blocking."""

from collections.abc import Iterable
from typing import Any

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse
from geartrain import AssignedJob, Client, JobRequest, Worker

PLACE = Place.of_this_process()

WORKER: dict[str, dict[str, Any]] = {"default": {}, "fast": {"concurrency": 8}}


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    with Client(PLACE.broker) as client:
        for payload in payloads:
            client.submit_background("reverse", payload)


def enqueue_batches(batches: Iterable[list[str]]) -> None:
    """Submit jobs many at a time."""
    with Client(PLACE.broker) as client:
        for batch in batches:
            client.submit_background_many(JobRequest("reverse", payload) for payload in batch)


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    with Client(PLACE.broker) as client:
        for payload in calls:
            calls.answer(client.do("reverse", payload, timeout=30).decode())


def work() -> None:
    """Be a worker."""
    worker = Worker(PLACE.broker, **WORKER[PLACE.settings])

    @worker.function("reverse")
    def answer(job: AssignedJob) -> str:
        return reverse(job.text)

    worker.run()
