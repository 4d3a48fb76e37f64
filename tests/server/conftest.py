# SPDX-License-Identifier: MIT
"""Servers on real sockets, with either event loop."""

import asyncio
import functools

import pytest

from geartrain.server import Server
from geartrain.server.loop import new_event_loop
from geartrain.testing import local_options, serve_in_thread
from tests.server.servers import RunServer, Serve


@pytest.fixture(params=[asyncio.new_event_loop, new_event_loop], ids=["standard loop", "quickest loop"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """`serve_in_thread` on the standard event loop, then on the one that the command uses."""
    return functools.partial(serve_in_thread, loop_factory=request.param)


@pytest.fixture
def run_server(serve: Serve) -> RunServer:
    """`geartrain.testing.run_server` on either event loop."""
    return lambda **options: serve(lambda: Server(local_options(**options)))
