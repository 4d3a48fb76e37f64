# SPDX-License-Identifier: MIT
"""Fixtures for pytest, registered as a plugin where Geartrain is installed.

::

    def test_words_are_reversed(gearman_client, gearman_worker):
        gearman_worker({"reverse": lambda job: job.workload[::-1]})

        assert gearman_client.do("reverse", "Hello") == b"olleH"

Every run of pytest imports this module, so each fixture imports the modules that it needs.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from geartrain import AdminClient, AsyncWorker, Client, Worker
    from geartrain.testing import RunningServer

__all__ = ["StartWorker", "gearman_admin", "gearman_client", "gearman_server", "gearman_worker"]


class StartWorker(Protocol):
    """A function that starts a worker for the rest of the test."""

    def __call__(
        self, functions: "Worker | AsyncWorker | Mapping[str, Callable[..., object]]"
    ) -> "Worker | AsyncWorker": ...


@pytest.fixture
def gearman_server() -> "Iterator[RunningServer]":
    """A job server on a free port, in memory, for one test; its `address` is what clients and workers take."""
    from geartrain.testing import run_server

    with run_server() as server:
        yield server


@pytest.fixture
def gearman_client(gearman_server: "RunningServer") -> "Iterator[Client]":
    """A client of `gearman_server`."""
    from geartrain import Client

    with Client(gearman_server.address) as client:
        yield client


@pytest.fixture
def gearman_admin(gearman_server: "RunningServer") -> "Iterator[AdminClient]":
    """An administrator of `gearman_server`."""
    from geartrain import AdminClient

    with AdminClient(gearman_server.address) as admin:
        yield admin


@pytest.fixture
def gearman_worker(gearman_server: "RunningServer") -> Iterator[StartWorker]:
    """A function that starts a worker of `gearman_server`: a `Worker`, an `AsyncWorker`, or functions by name."""
    from geartrain.testing import run_worker

    with contextlib.ExitStack() as workers:
        yield lambda functions: workers.enter_context(run_worker(functions, gearman_server.address))
