# SPDX-License-Identifier: MIT
"""Servers, workers and jobs come in whatever order, and what was sent first may arrive last."""

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
def test_all_three_may_come_in_any_order(order: tuple[str, ...]) -> None:
    """A client tries again until there is a server; that is all that is asked of it."""
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
def test_what_was_sent_first_may_arrive_last(direction: Direction) -> None:
    """A worker that came before the job, and whose words come behind it."""
    with run_server() as server, FaultProxy(server.address) as proxy, Client(server.address) as client:
        proxy.stall(direction)
        with working(worker_for(proxy.address)):
            proxy.wait_for_bytes()
            job = client.submit("reverse", "abc")
            client.ping()
            proxy.resume()

            assert job.result(PATIENCE) == b"cba"


def test_a_long_way_changes_nothing_but_the_time() -> None:
    """Answers come when others have been asked for already."""
    with run_server() as server, FaultProxy(server.address) as near, FaultProxy(server.address) as far:
        far.delay(0.01)
        with working(worker_for(far.address)), working(worker_for(near.address)), Client(far.address) as client:
            jobs = [client.submit("reverse", str(number)) for number in range(100)]

            assert [job.result(PATIENCE) for job in jobs] == [str(number)[::-1].encode() for number in range(100)]
