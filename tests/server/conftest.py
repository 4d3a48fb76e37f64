# SPDX-License-Identifier: MIT
"""Servers on real sockets, with either event loop."""

import asyncio
from collections.abc import Callable

import pytest

from geartrain.server import server as server_module
from geartrain.server.loop import new_event_loop
from geartrain.storage import Store
from geartrain.testing import server as testing_server


@pytest.fixture(params=[asyncio.new_event_loop, new_event_loop], ids=["standard loop", "quickest loop"])
def _either_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let `run_server` use the standard event loop, then the one that the command uses."""
    monkeypatch.setattr(testing_server, "new_event_loop", request.param)
    result: Callable[[], None] = request.param
    return result


@pytest.fixture
def serve_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store], None]:
    """Return what makes servers open a store of the test's own, whatever store they are told."""

    def serve_with(store: Store) -> None:
        monkeypatch.setattr(server_module, "open_store", lambda url: store)

    return serve_with
