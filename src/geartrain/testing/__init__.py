# SPDX-License-Identifier: MIT
"""What tests of programs that use Gearman need, ours included."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geartrain.testing.clock import FakeClock
    from geartrain.testing.eager.aio import AsyncEagerClient
    from geartrain.testing.eager.sync import EagerClient
    from geartrain.testing.passage import Toward
    from geartrain.testing.proxy import FaultProxy
    from geartrain.testing.server import RunningServer, ServerProcess, local_options, run_server, serve_in_thread
    from geartrain.testing.stores import StoreContract
    from geartrain.testing.wire import Wire, WirePeer
    from geartrain.testing.worker import run_worker

__all__ = [
    "AsyncEagerClient",
    "EagerClient",
    "FakeClock",
    "FaultProxy",
    "RunningServer",
    "ServerProcess",
    "StoreContract",
    "Toward",
    "Wire",
    "WirePeer",
    "local_options",
    "run_server",
    "run_worker",
    "serve_in_thread",
]

# Loaded when it is asked for: the plugin for pytest is here as well, and most runs of pytest need no server.
_HOMES = {
    "AsyncEagerClient": "eager.aio",
    "EagerClient": "eager.sync",
    "FakeClock": "clock",
    "FaultProxy": "proxy",
    "RunningServer": "server",
    "ServerProcess": "server",
    "StoreContract": "stores",
    "Toward": "passage",
    "Wire": "wire",
    "WirePeer": "wire",
    "local_options": "server",
    "run_server": "server",
    "run_worker": "worker",
    "serve_in_thread": "server",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
