# SPDX-License-Identifier: MIT
"""Dramatiq."""

import os
import sys
from collections.abc import Iterable

import dramatiq  # type: ignore[import-not-found]  # it has an environment of its own
from dramatiq.brokers.redis import RedisBroker  # type: ignore[import-not-found]  # likewise
from dramatiq.results import Results  # type: ignore[import-not-found]  # likewise
from dramatiq.results.backends import RedisBackend  # type: ignore[import-not-found]  # likewise

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse

PLACE = Place.of_this_process()

PREFETCH: dict[str, dict[str, str]] = {"default": {}, "fast": {"dramatiq_queue_prefetch": "512"}}

broker = RedisBroker(url=PLACE.redis)
broker.add_middleware(Results(backend=RedisBackend(url=PLACE.redis)))
dramatiq.set_broker(broker)
with_result = dramatiq.actor(reverse, actor_name="with_result", store_results=True)
without_result = dramatiq.actor(reverse, actor_name="without_result")


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    for payload in payloads:
        without_result.send(payload)


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    for payload in calls:
        calls.answer(with_result.send(payload).get_result(block=True, timeout=30_000))


def work() -> None:
    """Be a worker."""
    words = [sys.executable, "-m", "dramatiq", "--processes=1", "--threads=8", __name__]
    os.execve(words[0], words, {**os.environ, **PREFETCH[PLACE.settings]})  # noqa: S606  # no shell is wanted
