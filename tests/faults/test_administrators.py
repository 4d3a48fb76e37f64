# SPDX-License-Identifier: MIT
"""Both admin clients with servers that disconnect, come back or stop answering."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

import pytest

from geartrain import Client, ConnectionLost, NoServerAvailable, ReplyTimeout
from geartrain.testing import Direction, FaultProxy
from tests.admin.conftest import Connect, connect
from tests.faults.conftest import descriptors

FOR_EVER = 3600.0  # seconds; a test in which this timeout ends a wait hangs

__all__ = ["connect"]

Value = TypeVar("Value")


@pytest.mark.parametrize("reset", [False, True])
def test_an_outage_between_calls_has_no_effect(connect: Connect, proxy: FaultProxy, reset: bool) -> None:
    with connect(proxy.address) as admin:
        version = admin.version()
        for _ in range(3):
            proxy.cut(reset=reset)

            assert admin.version() == version


@pytest.mark.parametrize("after", [0, 1, 20])
def test_an_incomplete_listing_is_an_error(connect: Connect, server: str, proxy: FaultProxy, after: int) -> None:
    with Client(server) as client, connect(proxy.address) as admin:
        handles = {client.submit_background("f").name for _ in range(10)}
        admin.version()
        proxy.cut(after=after, direction=Direction.CLIENT)

        with pytest.raises(ConnectionLost, match=proxy.address):
            admin.jobs()
        assert {job.handle for job in admin.jobs()} == handles


def repeat_until_answered(call: Callable[[], Value]) -> Value:
    """Call until the server answers within the short timeout."""
    while True:
        with contextlib.suppress(ReplyTimeout):
            return call()


def test_a_late_answer_is_not_taken_for_another_one(connect: Connect, proxy: FaultProxy) -> None:
    with connect(proxy.address, timeout=0.2) as hasty, connect(proxy.address) as patient:
        version = patient.version()
        proxy.stall(Direction.CLIENT)
        with pytest.raises(ReplyTimeout, match=r"within 0\.2 seconds"):
            hasty.pid()
        proxy.resume()

        assert patient.version() == version
        assert repeat_until_answered(hasty.status) == []


def test_a_machine_that_is_down_costs_one_timeout(connect: Connect, proxy: FaultProxy) -> None:
    proxy.blackhole()
    with connect(proxy.address, connect_timeout=0.2, timeout=FOR_EVER) as admin:
        for _ in range(2):
            with pytest.raises(NoServerAvailable, match="no answer in time"):
                admin.status()


def test_a_slow_connection_only_takes_longer(connect: Connect, server: str, proxy: FaultProxy) -> None:
    proxy.throttle(1)
    with Client(server) as client, connect(proxy.address) as admin:
        handles = {client.submit_background("f").name for _ in range(10)}

        assert {job.handle for job in admin.jobs()} == handles


def test_no_descriptors_are_leaked(connect: Connect, proxy: FaultProxy) -> None:
    with connect(proxy.address) as admin:

        def endure(count: int) -> int:
            for _ in range(count):
                admin.version()
                proxy.cut(reset=True)
                proxy.wait_until_unused()
            return descriptors()

        before = endure(20)
        assert endure(100) <= before + 2
