# SPDX-License-Identifier: MIT
"""Exceptions from signal handlers in python-gearman's client and worker, and in an administrator: no wrong answer."""

import itertools

import pytest

from geartrain import AdminClient, ConnectionLost
from geartrain.protocol import Command, response
from geartrain.python_gearman import GearmanClient, GearmanWorker
from geartrain.python_gearman.connection import GearmanConnection
from geartrain.python_gearman.errors import GearmanError
from geartrain.testing import run_server
from geartrain.transport import Backoff
from tests.client.peers import PATIENCE, ScriptedServer, ServedClient
from tests.client.strikes import Striker
from tests.thoroughness import often
from tests.waiting import wait_until
from tests.worker.checking import CheckingServer

_STEP = often(3, 1)
_LEAST = often(20, 60)  # strikes of each test; fewer mean that the points are not found any more


def serve(peer: ServedClient) -> None:
    """Reverse every workload. One thread does all, so that each answer takes one turn of a busy machine."""
    for number in itertools.count(1):
        _, arguments = peer.packet()
        handle = b"H:s:%d" % number
        created = response(Command.JOB_CREATED, handle)
        peer.send_bytes(created + response(Command.WORK_COMPLETE, handle, arguments[-1][::-1]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_a_submission(*, twice: bool) -> None:
    total = 0
    numbers = itertools.count(1)
    wrong: list[object] = []
    with ScriptedServer(serve) as server:
        client = GearmanClient([server.address])

        def submit() -> None:
            workload = b"workload %d" % next(numbers)
            request = client.submit_job("reverse", workload, poll_timeout=PATIENCE)
            if request.complete and request.result != workload[::-1]:
                wrong.append((workload, request.result))

        for point in itertools.count(1, _STEP):
            striker = Striker(point, 1 + point % 5 if twice else 0, within="geartrain")
            striker.call(submit)
            for attempt in range(5):
                try:
                    request = client.submit_job("reverse", b"after", poll_timeout=PATIENCE)
                except GearmanError:
                    assert attempt < 4
                    continue
                assert request.result == b"retfa"
                break
            assert wrong == []
            total += striker.strikes
            if not striker.strikes:
                break
        client.shutdown()
    assert total >= _LEAST


class Restless(GearmanConnection):
    """A connection without a back-off, so that nothing waits for it."""

    backoff = Backoff(first=0.0, longest=0.0)


class TwoJobs(GearmanWorker):
    """A worker that leaves after two jobs."""

    connection_class = Restless

    def work(self, poll_timeout: float | None = PATIENCE) -> None:
        self.left = 2
        super().work(poll_timeout)

    def after_job(self) -> bool:
        self.left -= 1
        return self.left > 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_a_workers_run(*, twice: bool) -> None:
    """The same worker can work again, and leaves no connection open."""
    total = 0
    with CheckingServer() as server:
        worker = TwoJobs([server.address])
        worker.register_task("reverse", lambda _, job: job.data[::-1])
        for point in itertools.count(1, often(7, 1)):
            striker = Striker(point, 1 + point % 5 if twice else 0, within="geartrain")
            striker.call(worker.work)
            right = server.right
            worker.work()
            wait_until(lambda: not server.open_connections)
            assert server.wrong == []
            assert server.right > right
            total += striker.strikes
            if not striker.strikes:
                break
    assert total >= _LEAST


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_an_administrators_call(*, twice: bool) -> None:
    total = 0
    with run_server() as server, AdminClient(server.address) as admin:
        admin.create_function("f")
        for point in itertools.count(1, _STEP):
            striker = Striker(point, 1 + point % 5 if twice else 0, within="geartrain")
            striker.call(admin.version)
            try:
                [row] = admin.status()
            except ConnectionLost:
                [row] = admin.status()
            assert row.function == "f"
            total += striker.strikes
            if not striker.strikes:
                break
    assert total >= _LEAST
