# SPDX-License-Identifier: MIT
"""The options of clients, checked and encoded once for both shells."""

import ssl
from dataclasses import dataclass, field
from typing import Generic, get_args

from geartrain.client.buffer import MAX_UNREAD
from geartrain.client.serverpool import Balance, Placement
from geartrain.codec import Codec, check_codec
from geartrain.records import ResultT, ValueT
from geartrain.transport import ServerAddress, check_seconds

__all__ = ["REPLY_TIMEOUT", "ClientOptions"]

REPLY_TIMEOUT = 30.0  # seconds; even a server that first commits to a slow disk answers far sooner


@dataclass(frozen=True, slots=True)
class ClientOptions(Generic[ValueT, ResultT]):
    """The options of a client; `AnyClient` describes each.

    Raises:
        ValueError: A number is out of range, or a choice is unknown.
        TypeError: The codec is not a codec.
    """

    addresses: tuple[ServerAddress, ...]
    tls: ssl.SSLContext | None
    prefix: bytes
    client_id: bytes
    token: bytes = field(repr=False)
    connect_timeout: float
    reply_timeout: float
    keepalive: float | None
    balance: Balance
    placement: Placement
    codec: Codec[ValueT, ResultT]
    max_unread: int = MAX_UNREAD

    def __post_init__(self) -> None:
        check_codec(self.codec)
        check_seconds(connect_timeout=self.connect_timeout, reply_timeout=self.reply_timeout, keepalive=self.keepalive)
        if self.max_unread < 0:
            raise ValueError(f"max_unread is a number of bytes, not {self.max_unread!r}")
        for name, allowed in (("balance", Balance), ("placement", Placement)):
            if (chosen := getattr(self, name)) not in get_args(allowed):
                raise ValueError(f"{name} is {' or '.join(map(repr, get_args(allowed)))}, not {chosen!r}")
