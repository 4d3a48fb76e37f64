# SPDX-License-Identifier: MIT
"""gearman3, which continues python-gearman."""

import array
import types
from collections.abc import Iterable
from typing import Any

import gearman  # type: ignore[import-not-found]  # it has an environment of its own
import gearman.connection  # type: ignore[import-not-found]  # likewise

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse

PLACE = Place.of_this_process()


class Array(array.array):  # type: ignore[type-arg]  # it is bytes, as ever
    """An array that still has a method which Python 3.9 took away, and without which gearman3 0.2.1 reads nothing."""

    fromstring = array.array.frombytes

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return Array("b", part) if isinstance(part, array.array) else part


gearman.connection.array = types.SimpleNamespace(array=Array)


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    client = gearman.GearmanClient([PLACE.broker])
    for payload in payloads:
        client.submit_job("reverse", payload, background=True)


def enqueue_batches(batches: Iterable[list[str]]) -> None:
    """Submit jobs many at a time."""
    client = gearman.GearmanClient([PLACE.broker])
    for batch in batches:
        jobs = [{"task": "reverse", "data": payload} for payload in batch]
        client.submit_multiple_jobs(jobs, background=True, wait_until_complete=False)


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    client = gearman.GearmanClient([PLACE.broker])
    for payload in calls:
        calls.answer(client.submit_job("reverse", payload, poll_timeout=30).result.decode())


def work() -> None:
    """Be a worker."""
    worker = gearman.GearmanWorker([PLACE.broker])
    worker.register_task(b"reverse", lambda worker, job: reverse(job.data.decode()))
    worker.work()
