# SPDX-License-Identifier: MIT
"""Fixtures that run servers as users do, each in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from geartrain.testing import ServerProcess
from tests.job_servers import Gearmand

AnyServer: TypeAlias = ServerProcess | Gearmand


@pytest.fixture
def ours() -> Iterator[ServerProcess]:
    """Our server, which must log no error and must stop when asked."""
    with ServerProcess() as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if line.split()[0] in ("ERROR", "CRITICAL", "Traceback")] == []


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Gearmand]:
    """Debian's server."""
    with Gearmand(tmp_path).running() as server:
        yield server


@pytest.fixture(params=["ours", "theirs"])
def server(request: pytest.FixtureRequest) -> AnyServer:
    """Both servers, one after the other: ours must behave like the other one."""
    result: AnyServer = request.getfixturevalue(request.param)
    return result
