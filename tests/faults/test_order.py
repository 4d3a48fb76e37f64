# SPDX-License-Identifier: MIT
"""Servers, workers and jobs in any order, and packets that are delayed in one direction."""

import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from geartrain import AsyncAssignedJob, Client, ConnectionLost, NoServerAvailable
from geartrain.testing import Direction, FaultProxy, run_server
from tests.faults.conftest import QUICK
from tests.worker.shells import PATIENCE, ShelledWorker, working


async def reverse(job: AsyncAssignedJob) -> bytes:
    return job.workload[::-1]


def worker_for(address: str) -> ShelledWorker:
    worker = ShelledWorker("threads", address, backoff=QUICK)
    worker.add_function("reverse", reverse)
    return worker


@pytest.mark.parametrize("order", list(itertools.permutations(("server", "worker", "client"))), ids="-".join)
def test_server_worker_and_job_may_start_in_any_order(order: tuple[str, ...]) -> None:
    """The client only has to retry until there is a server."""
    results: list[bytes] = []

    with ExitStack() as stack:
        server = stack.enter_context(run_server())
        proxy = stack.enter_context(FaultProxy(server.address))
        client = stack.enter_context(Client(proxy.address))

        def call() -> None:
            while not results:
                try:
                    results.append(client.do("reverse", "abc", timeout=PATIENCE))
                except (NoServerAvailable, ConnectionLost):
                    tried.set()

        tried = threading.Event()
        calling = threading.Thread(target=call)
        arrivals: dict[str, Callable[[], object]] = {
            "server": proxy.accept,
            "worker": lambda: stack.enter_context(working(worker_for(proxy.address))),
            "client": calling.start,
        }
        proxy.refuse()
        for who in order:
            arrivals[who]()
            if who == "client" and "server" in order[order.index(who) :]:
                assert tried.wait(PATIENCE)
        calling.join(PATIENCE)

        assert results == [b"cba"]


@pytest.mark.parametrize("direction", [Direction.SERVER, Direction.CLIENT, Direction.BOTH])
def test_earlier_packets_may_arrive_later(direction: Direction) -> None:
    """The worker connects before the client, and its packets arrive after the job."""
    with run_server() as server, FaultProxy(server.address) as proxy, Client(server.address) as client:
        proxy.stall(direction)
        with working(worker_for(proxy.address)):
            proxy.wait_for_bytes()
            job = client.submit("reverse", "abc")
            client.ping()
            proxy.resume()

            assert job.result(PATIENCE) == b"cba"


def test_a_high_latency_only_takes_longer() -> None:
    """Answers arrive after later requests were sent."""
    with run_server() as server, FaultProxy(server.address) as near, FaultProxy(server.address) as far:
        far.delay(0.01)
        with working(worker_for(far.address)), working(worker_for(near.address)), Client(far.address) as client:
            jobs = [client.submit("reverse", str(number)) for number in range(100)]

            assert [job.result(PATIENCE) for job in jobs] == [str(number)[::-1].encode() for number in range(100)]
