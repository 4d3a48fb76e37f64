# SPDX-License-Identifier: MIT
"""Both servers, and both administrators."""

import asyncio
from collections.abc import Iterator
from typing import Protocol, cast

import pytest

from geartrain import AdminClient, AsyncAdminClient
from tests.job_servers import server
from tests.twins import LOOPS, Driven

__all__ = ["Connect", "connect", "server"]


class Connect(Protocol):
    """Makes an administrator of either kind."""

    def __call__(
        self, server: str, *, timeout: float = 20.0, connect_timeout: float = 20.0, token: str | None = None
    ) -> AdminClient: ...


@pytest.fixture(params=["blocking", *LOOPS])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    if request.param == "blocking":
        yield AdminClient
        return
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield lambda server, **options: cast(AdminClient, Driven(AsyncAdminClient(server, **options), runner))
