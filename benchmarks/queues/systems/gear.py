# SPDX-License-Identifier: MIT
"""OpenStack's gear."""

import queue
from collections.abc import Iterable

import gear  # type: ignore[import-not-found]  # it has an environment of its own

from benchmarks.queues.meter import Calls
from benchmarks.queues.place import Place
from benchmarks.queues.work import reverse

PLACE = Place.of_this_process()


class Client(gear.Client):  # type: ignore[misc]  # for the same reason
    """A client that hands on the end of each job."""

    def __init__(self) -> None:
        super().__init__("benchmark")
        self.ended: queue.SimpleQueue[gear.Job] = queue.SimpleQueue()
        self.addServer("127.0.0.1", PLACE.port)
        self.waitForServer(timeout=30)

    def handleWorkComplete(self, packet: gear.Packet) -> gear.Job:  # noqa: N802  # gear's name
        """Pass a job on that is done."""
        job = super().handleWorkComplete(packet)
        self.ended.put(job)
        return job


def enqueue(payloads: Iterable[str]) -> None:
    """Submit jobs one by one."""
    client = Client()
    for payload in payloads:
        client.submitJob(gear.TextJob("reverse", payload), background=True)
    client.shutdown()


def call(calls: Calls) -> None:
    """Have jobs done one at a time, and wait for the result of each."""
    client = Client()
    for payload in calls:
        client.submitJob(gear.TextJob("reverse", payload))
        calls.answer(client.ended.get(timeout=30).data[0])
    client.shutdown()


def work() -> None:
    """Be a worker."""
    worker = gear.TextWorker("benchmark")
    worker.addServer("127.0.0.1", PLACE.port)
    worker.waitForServer(timeout=30)
    worker.registerFunction("reverse")
    while True:
        job = worker.getJob()
        job.sendWorkComplete(reverse(job.arguments))
