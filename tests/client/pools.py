# SPDX-License-Identifier: MIT
"""The options of a client, for tests of the parts that take them."""

from typing import Any

from geartrain.client.options import REPLY_TIMEOUT, ClientOptions
from geartrain.codec import RAW
from geartrain.transport import CONNECT_TIMEOUT, parse_servers

__all__ = ["client_options"]


def client_options(*servers: str, **options: Any) -> ClientOptions[Any, bytes]:
    """Return the options of a client of these servers."""
    defaults: dict[str, Any] = {
        "tls": None,
        "prefix": b"",
        "client_id": b"",
        "token": b"",
        "connect_timeout": CONNECT_TIMEOUT,
        "reply_timeout": REPLY_TIMEOUT,
        "keepalive": None,
        "balance": "order",
        "placement": "rendezvous",
        "codec": RAW,
    }
    return ClientOptions(addresses=tuple(parse_servers(servers)), **{**defaults, **options})
