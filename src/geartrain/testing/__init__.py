# SPDX-License-Identifier: MIT
"""Test tools for programs that use Gearman: servers, workers, eager clients, a fault proxy, contracts."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geartrain.testing.clock import FakeClock
    from geartrain.testing.eager.aio import AsyncEagerClient
    from geartrain.testing.eager.sync import EagerClient
    from geartrain.testing.proxied import Direction
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
    "Direction",
    "Wire",
    "WirePeer",
    "local_options",
    "run_server",
    "run_worker",
    "serve_in_thread",
]

# Imported on first use: the plugin for pytest is in this package too, and most runs of pytest need no server.
_MODULES = {
    "AsyncEagerClient": "eager.aio",
    "EagerClient": "eager.sync",
    "FakeClock": "clock",
    "FaultProxy": "proxy",
    "RunningServer": "server",
    "ServerProcess": "server",
    "StoreContract": "stores",
    "Direction": "proxied",
    "Wire": "wire",
    "WirePeer": "wire",
    "local_options": "server",
    "run_server": "server",
    "run_worker": "worker",
    "serve_in_thread": "server",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
