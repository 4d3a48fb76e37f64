# SPDX-License-Identifier: MIT
"""What a client can be told, read once and for both shells."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Generic, cast, get_args

from geartrain.client.serverpool import Balance, Placement
from geartrain.codec import RAW, Codec, check_codec
from geartrain.names import Text, client_id_bytes, encode, token_bytes
from geartrain.records import ResultT, ValueT
from geartrain.transport import (
    CONNECT_TIMEOUT,
    KEEPALIVE,
    TLS,
    ServerAddress,
    Servers,
    check_seconds,
    client_context,
    parse_servers,
)

__all__ = ["REPLY_TIMEOUT", "ClientBase", "ClientOptions"]

REPLY_TIMEOUT = 30.0  # seconds; even a server that commits to a slow disk first answers far sooner


@dataclass(frozen=True, slots=True)
class ClientOptions(Generic[ValueT, ResultT]):
    """The options of a client, checked and encoded; `ClientBase` says what each is for."""

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

    def __post_init__(self) -> None:
        check_codec(self.codec)
        check_seconds(connect_timeout=self.connect_timeout, reply_timeout=self.reply_timeout, keepalive=self.keepalive)
        for name, allowed in (("balance", Balance), ("placement", Placement)):
            if (chosen := getattr(self, name)) not in get_args(allowed):
                raise ValueError(f"{name} is {' or '.join(map(repr, get_args(allowed)))}, not {chosen!r}")


class ClientBase(Generic[ValueT, ResultT]):
    """What both clients begin with."""

    def __init__(
        self,
        servers: Servers = None,
        *,
        tls: ssl.SSLContext | TLS | None = None,
        prefix: Text = b"",
        client_id: str | None = None,
        token: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        reply_timeout: float = REPLY_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
        balance: Balance = "order",
        placement: Placement = "rendezvous",
        codec: Codec[ValueT, ResultT] | None = None,
    ) -> None:
        """Take the options; servers are connected to when they are first needed.

        Args:
            servers: One server, several, or a comma-separated list; by default those in ``$GEARMAN_SERVERS``, else
                ``localhost:4730``. See `geartrain.transport.address` for the notation.
            tls: Encrypts all TCP connections: an ``ssl.SSLContext``, or a `TLS` that names files.
            prefix: Put before the name of every function.
            client_id: What ``gearadmin --workers`` shows for our connections.
            token: A secret by which servers with rules of access know who may do what. A server that does not accept it
                is warned of in the log, and answers to what we may not do with a `ServerError`, ``NOT_ALLOWED``.
            connect_timeout: Seconds for connecting to one server.
            reply_timeout: Seconds that a server may owe us an answer without a byte moving either way; its connection
                is then given up. Jobs that it has answered for may take as long as they like.
            keepalive: Seconds after which a dead path is noticed; ``None`` leaves that to the system.
            balance: Who gets jobs without a unique: ``"order"``, the first server that can be reached, or ``"random"``.
            placement: Who gets jobs with a unique, so that equal ones meet: ``"rendezvous"``, our own rule, or
                ``"perl"``, the rule of Perl's ``Gearman::Client``, for a fleet in which both submit the same uniques;
                all must then name the same servers in the same order. While a server is down, its jobs go to the next
                in the list; a Perl client fails them. Programs with libgearman (C, PHP, the command line) do not look
                at uniques when they choose a server, so with several servers they agree with nobody.
            codec: Makes bytes of workloads, and values of results and of the parts sent ahead of them; text and bytes
                by default.

        Raises:
            ValueError: An option makes no sense.
            TypeError: An option is of another kind altogether.
            LocalProtocolError: The client's id, the token or the prefix cannot travel.
            OSError: A file for TLS cannot be read.
        """
        self._options = ClientOptions(
            addresses=tuple(parse_servers(servers)),
            tls=client_context(tls),
            prefix=encode(prefix, "a prefix"),
            client_id=client_id_bytes(client_id) if client_id is not None else b"",
            token=token_bytes(token) if token is not None else b"",
            connect_timeout=connect_timeout,
            reply_timeout=reply_timeout,
            keepalive=keepalive,
            balance=balance,
            placement=placement,
            codec=cast(Codec[Any, Any], RAW) if codec is None else codec,
        )
        self._set_up()

    def _set_up(self) -> None:
        """Make what a shell has besides."""
        raise NotImplementedError
