# SPDX-License-Identifier: MIT
"""One process of a contestant, in the environment of its system: a worker, or a client that is measured.

Usage: python -m benchmarks.queues.agent SYSTEM work
       python -m benchmarks.queues.agent SYSTEM enqueue|enqueue_batches|call JOBS SECONDS WARM_UP

A client prints what was measured, as JSON.
"""

import importlib
import json
import sys
from collections.abc import Callable
from types import ModuleType

from benchmarks.queues.meter import Calls, Jobs, Limits

BATCH = 500  # jobs of one call, where a system takes many at a time


def enqueue(system: ModuleType, limits: Limits) -> dict[str, object]:
    """Submit jobs one by one."""
    jobs = Jobs(limits)
    system.enqueue(jobs)
    return {"rate": jobs.count / jobs.seconds, "total": jobs.total}


def enqueue_batches(system: ModuleType, limits: Limits) -> dict[str, object]:
    """Submit jobs many at a time."""
    jobs = Jobs(limits, BATCH)
    system.enqueue_batches(jobs.batches())
    return {"rate": jobs.count / jobs.seconds, "total": jobs.total}


def call(system: ModuleType, limits: Limits) -> dict[str, object]:
    """Have jobs done, one at a time."""
    calls = Calls(limits)
    system.call(calls)
    return {"latencies": calls.latencies}


VERBS: dict[str, Callable[[ModuleType, Limits], dict[str, object]]] = {
    "enqueue": enqueue,
    "enqueue_batches": enqueue_batches,
    "call": call,
}


def main() -> None:
    """Do what the command line says."""
    name, verb, *numbers = sys.argv[1:]
    system = importlib.import_module(f"benchmarks.queues.systems.{name}")
    if verb == "work":
        system.work()
    else:
        jobs, seconds, warm_up = numbers
        print(json.dumps(VERBS[verb](system, Limits(int(jobs), float(seconds), int(warm_up)))))


if __name__ == "__main__":
    main()
