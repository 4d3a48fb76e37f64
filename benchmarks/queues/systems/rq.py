# SPDX-License-Identifier: MIT
"""RQ."""

import logging
from collections.abc import Iterable

import redis
import rq  # type: ignore[import-not-found]  # likewise

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse

PLACE = Place.of_this_process()

WORKERS = {"default": rq.Worker, "fast": rq.SimpleWorker}
RESULTS = {"default": None, "fast": 0}  # seconds for which results of background jobs are kept

connection = redis.Redis(port=PLACE.port)
queue = rq.Queue(connection=connection)


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    keep = RESULTS[PLACE.settings]
    for payload in payloads:
        queue.enqueue(reverse, payload, result_ttl=keep)


def enqueue_batches(batches: Iterable[list[str]]) -> None:
    """Submit jobs many at a time."""
    keep = RESULTS[PLACE.settings]
    for batch in batches:
        queue.enqueue_many([rq.Queue.prepare_data(reverse, [payload], result_ttl=keep) for payload in batch])


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    for payload in calls:
        calls.answer(queue.enqueue(reverse, payload).latest_result(timeout=30).return_value)


def work() -> None:
    """Be a worker."""
    level = {"default": logging.INFO, "fast": logging.WARNING}[PLACE.settings]
    WORKERS[PLACE.settings]([queue], connection=connection).work(logging_level=level)
