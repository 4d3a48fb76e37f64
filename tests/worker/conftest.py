# SPDX-License-Identifier: MIT
"""Both servers, workers of every kind, and a server in this process with a client."""

from collections.abc import Iterator

import pytest

from geartrain import Client
from geartrain.testing import run_server
from tests.job_servers import server
from tests.worker.shells import shell

__all__ = ["address", "client", "server", "shell"]


@pytest.fixture
def address() -> Iterator[str]:
    with run_server() as server:
        yield server.address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client
