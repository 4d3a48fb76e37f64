# SPDX-License-Identifier: MIT
"""Exceptions from signal handlers in a client or an administrator of python-gearman: never a wrong answer."""

import itertools

import pytest

from geartrain import AdminClient, ConnectionLost
from geartrain.python_gearman import GearmanClient
from geartrain.python_gearman.errors import GearmanError
from geartrain.testing import run_server, run_worker
from tests.client.strikes import Striker
from tests.thoroughness import often

_STEP = often(3, 1)
_LEAST = often(20, 60)  # strikes of each test; fewer mean that the points are not found any more


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("twice", [False, True])
def test_at_every_point_of_a_submission(*, twice: bool) -> None:
    total = 0
    numbers = itertools.count(1)
    wrong: list[object] = []
    with run_server() as server, run_worker({"reverse": lambda job: job.workload[::-1]}, server.address):
        client = GearmanClient([server.address])

        def submit() -> None:
            workload = b"workload %d" % next(numbers)
            request = client.submit_job("reverse", workload, poll_timeout=20.0)
            if request.complete and request.result != workload[::-1]:
                wrong.append((workload, request.result))

        for point in itertools.count(1, _STEP):
            striker = Striker(point, 1 + point % 5 if twice else 0, within="geartrain")
            striker.call(submit)
            for attempt in range(5):
                try:
                    request = client.submit_job("reverse", b"after", poll_timeout=20.0)
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
