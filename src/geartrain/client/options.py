# SPDX-License-Identifier: MIT
"""What a client can be told, read once."""

import math
import ssl
from dataclasses import dataclass

from geartrain.client.servers import Balance
from geartrain.names import Text, client_id_bytes, encode
from geartrain.transport import TLS, ServerAddress, Servers, client_context, parse_servers

__all__ = ["REPLY_TIMEOUT", "Options"]

REPLY_TIMEOUT = 30.0  # seconds; even a server that commits to a slow disk first answers far sooner


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a client, checked and encoded; `Client` says what each is for."""

    addresses: tuple[ServerAddress, ...]
    tls: ssl.SSLContext | None
    prefix: bytes
    client_id: bytes
    connect_timeout: float
    reply_timeout: float
    keepalive: float | None
    balance: Balance

    @classmethod
    def read(
        cls,
        servers: Servers,
        *,
        tls: ssl.SSLContext | TLS | None,
        prefix: Text,
        client_id: str | None,
        connect_timeout: float,
        reply_timeout: float,
        keepalive: float | None,
        balance: Balance,
    ) -> "Options":
        """Check the options as users write them.

        Raises:
            ValueError: A time is not above 0, or a server's address is none.
            LocalProtocolError: The client's id or the prefix cannot travel.
            OSError: A file for TLS cannot be read.
        """
        for name, seconds in {
            "connect_timeout": connect_timeout,
            "reply_timeout": reply_timeout,
            "keepalive": keepalive,
        }.items():
            if seconds is not None and not 0 < seconds < math.inf:
                raise ValueError(f"{name} is a number of seconds above 0, not {seconds!r}")
        return cls(
            addresses=tuple(parse_servers(servers)),
            tls=client_context(tls),
            prefix=encode(prefix, "a prefix"),
            client_id=client_id_bytes(client_id) if client_id is not None else b"",
            connect_timeout=connect_timeout,
            reply_timeout=reply_timeout,
            keepalive=keepalive,
            balance=balance,
        )
