# SPDX-License-Identifier: MIT
"""arq."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import arq  # type: ignore[import-not-found]  # it has an environment of its own
import uvloop
from arq.connections import RedisSettings  # type: ignore[import-not-found]  # likewise

from benchmarks.queues import work as the_work
from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place

PLACE = Place.of_this_process()

IS_FAST = PLACE.settings == "fast"
POLL_DELAY = 0.005 if IS_FAST else 0.5  # seconds, for workers and for clients that wait for a result
WORKER: dict[str, dict[str, Any]] = {
    "default": {},
    "fast": {"poll_delay": POLL_DELAY, "max_jobs": 100, "queue_read_limit": 500, "log_results": False},
}
SERVER = RedisSettings(port=PLACE.port)


async def reverse(context: dict[Any, Any], text: str) -> str:
    """Do a job, as arq calls it."""
    return the_work.reverse(text)


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    _run(_enqueue(payloads))


async def _enqueue(payloads: Iterable[str]) -> None:
    pool = await arq.create_pool(SERVER)
    for payload in payloads:
        await pool.enqueue_job("without_result", payload)


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    _run(_call(calls))


async def _call(calls: Calls) -> None:
    pool = await arq.create_pool(SERVER)
    for payload in calls:
        job = await pool.enqueue_job("with_result", payload)
        calls.answer(await job.result(timeout=30, poll_delay=POLL_DELAY))


def work() -> None:
    """Be a worker."""
    functions = [
        arq.func(reverse, name="with_result"),
        arq.func(reverse, name="without_result", keep_result=0 if IS_FAST else None),
    ]
    if IS_FAST:
        asyncio.set_event_loop(uvloop.new_event_loop())
    else:
        asyncio.set_event_loop(asyncio.new_event_loop())
    arq.Worker(functions, redis_settings=SERVER, **WORKER[PLACE.settings]).run()


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if IS_FAST else None) as runner:
        runner.run(main)
