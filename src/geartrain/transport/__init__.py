# SPDX-License-Identifier: MIT
"""Addresses, sockets, TLS, timeouts and back-off, shared by clients, workers and administrators."""

from typing import TYPE_CHECKING

from geartrain.lazy import lazy_names

if TYPE_CHECKING:
    from geartrain.transport.address import DEFAULT_PORT, ServerAddress, Servers, parse_servers
    from geartrain.transport.backoff import Backoff
    from geartrain.transport.latch import Latch
    from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE, connect, tune
    from geartrain.transport.timeouts import check_seconds
    from geartrain.transport.tls import TLS, client_context
    from geartrain.transport.waker import Waker

__all__ = [
    "CONNECT_TIMEOUT",
    "DEFAULT_PORT",
    "KEEPALIVE",
    "TLS",
    "Backoff",
    "Latch",
    "ServerAddress",
    "Servers",
    "Waker",
    "check_seconds",
    "client_context",
    "connect",
    "parse_servers",
    "tune",
]

__getattr__ = lazy_names(
    __name__,
    {
        "geartrain.transport.address": ("DEFAULT_PORT", "ServerAddress", "Servers", "parse_servers"),
        "geartrain.transport.backoff": ("Backoff",),
        "geartrain.transport.latch": ("Latch",),
        "geartrain.transport.sockets": ("CONNECT_TIMEOUT", "KEEPALIVE", "connect", "tune"),
        "geartrain.transport.timeouts": ("check_seconds",),
        "geartrain.transport.tls": ("TLS", "client_context"),
        "geartrain.transport.waker": ("Waker",),
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
