# SPDX-License-Identifier: MIT
"""How clients, workers and administrators reach a server: addresses, TLS, sockets and patience."""

from geartrain.transport.address import DEFAULT_PORT, ServerAddress, Servers, parse_servers
from geartrain.transport.backoff import Backoff
from geartrain.transport.patience import check_seconds
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE, connect, tune
from geartrain.transport.tls import TLS, client_context

__all__ = [
    "CONNECT_TIMEOUT",
    "DEFAULT_PORT",
    "KEEPALIVE",
    "TLS",
    "Backoff",
    "ServerAddress",
    "Servers",
    "check_seconds",
    "client_context",
    "connect",
    "parse_servers",
    "tune",
]
