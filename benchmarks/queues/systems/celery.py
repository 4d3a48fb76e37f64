# SPDX-License-Identifier: MIT
"""Celery."""

from collections.abc import Iterable

import celery  # type: ignore[import-not-found]  # it has an environment of its own

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse

PLACE = Place.of_this_process()

# "Optimizing" of its user guide: a large prefetch for short tasks, and workers that do not keep company.
_FAST: dict[str, object] = {"worker_prefetch_multiplier": 128, "worker_disable_rate_limits": True}
_ALONE = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
# The same guide and "Tasks": a task is acknowledged when it is done, and comes back if its worker dies.
_SAFE: dict[str, object] = {"task_acks_late": True, "task_reject_on_worker_lost": True}

OPTIONS: dict[str, dict[str, object]] = {"default": {}, "fast": _FAST, "safe": _SAFE, "solo": _FAST}
WORDS = {"default": [], "fast": _ALONE, "safe": [], "solo": [*_ALONE, "--pool=solo"]}

app = celery.Celery("benchmark", broker=PLACE.redis, backend=PLACE.redis)
app.conf.update(OPTIONS[PLACE.settings])
with_result = app.task(reverse, name="with_result")
without_result = app.task(reverse, name="without_result", ignore_result=True)


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    for payload in payloads:
        without_result.delay(payload)


def enqueue_batches(batches: Iterable[list[str]]) -> None:
    """Submit jobs many at a time."""
    for batch in batches:
        celery.group(without_result.s(payload) for payload in batch).apply_async()


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    for payload in calls:
        calls.answer(with_result.delay(payload).get(timeout=30))


def work() -> None:
    """Be a worker."""
    app.worker_main(["worker", "--concurrency=1", *WORDS[PLACE.settings]])
