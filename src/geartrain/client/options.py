# SPDX-License-Identifier: MIT
"""The options of clients, checked and encoded once for both shells."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, get_args

from geartrain.client.buffer import MAX_UNREAD
from geartrain.client.serverpool import Balance, Placement
from geartrain.codec import Codec, check_codec
from geartrain.errors import NoServerAvailable
from geartrain.records import ResultT, ValueT
from geartrain.transport import ServerAddress, check_seconds

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["REPLY_TIMEOUT", "ClientOptions"]

REPLY_TIMEOUT = 30.0  # seconds; even a server that first commits to a slow disk answers far sooner


class ClientOptions(Generic[ValueT, ResultT]):
    """The options of a client, which do not change; `AnyClient` describes each.

    Raises:
        ValueError: A number is out of range, or a choice is unknown.
        TypeError: The codec is not a codec.
    """

    def __init__(
        self,
        *,
        addresses: tuple[ServerAddress, ...],
        tls: "SSLContext | None",
        prefix: bytes,
        client_id: bytes,
        token: bytes,
        connect_timeout: float,
        reply_timeout: float,
        keepalive: float | None,
        balance: Balance,
        placement: Placement,
        codec: Codec[ValueT, ResultT],
        max_unread: int = MAX_UNREAD,
        patience: float | None = 0.0,
        on_wait: Callable[[NoServerAvailable], object] | None = None,
    ) -> None:
        check_codec(codec)
        check_seconds(connect_timeout=connect_timeout, reply_timeout=reply_timeout, keepalive=keepalive)
        if max_unread < 0:
            raise ValueError(f"max_unread is a number of bytes, not {max_unread!r}")
        if patience is not None and not patience >= 0:
            raise ValueError(f"patience is a number of seconds, or None for no limit, not {patience!r}")
        for name, chosen, allowed in (("balance", balance, Balance), ("placement", placement, Placement)):
            if chosen not in get_args(allowed):
                raise ValueError(f"{name} is {' or '.join(map(repr, get_args(allowed)))}, not {chosen!r}")
        self.addresses = addresses
        self.tls = tls
        self.prefix = prefix
        self.client_id = client_id
        self.token = token
        self.connect_timeout = connect_timeout
        self.reply_timeout = reply_timeout
        self.keepalive = keepalive
        self.balance = balance
        self.placement = placement
        self.codec = codec
        self.max_unread = max_unread
        self.patience = patience
        self.on_wait = on_wait

    def for_admin(self) -> dict[str, Any]:
        """Return the options of an administrator of the same servers."""
        return {
            "tls": self.tls,
            "token": self.token.decode("utf-8", "surrogateescape") or None,
            "timeout": self.reply_timeout,
            "connect_timeout": self.connect_timeout,
            "keepalive": self.keepalive,
        }

    def with_codec(self, codec: Codec[Any, Any]) -> "ClientOptions[Any, Any]":
        """Return the same options with another codec."""
        check_codec(codec)
        twin = copy.copy(self)
        twin.codec = codec
        return twin
