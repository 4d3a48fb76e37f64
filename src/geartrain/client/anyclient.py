# SPDX-License-Identifier: MIT
"""The common part of both clients: options, codecs, and requests that are checked before anything is sent."""

import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, cast

from geartrain.client.buffer import MAX_UNREAD
from geartrain.client.cron import cron_of
from geartrain.client.options import REPLY_TIMEOUT, ClientOptions
from geartrain.client.remote import Remote, signature_of
from geartrain.client.request import Delay, Moment, Submission, start_of, submission
from geartrain.client.serverpool import Balance, Placement
from geartrain.codec import RAW, Codec
from geartrain.names import Text, client_id_bytes, encode, token_bytes
from geartrain.records import Handle, JobRequest, ResultT, ValueT
from geartrain.transport import (
    CONNECT_TIMEOUT,
    KEEPALIVE,
    TLS,
    ServerAddress,
    Servers,
    client_context,
    parse_servers,
)

if TYPE_CHECKING:
    from ssl import SSLContext

    from geartrain.typed import Signature

__all__ = ["AnyClient", "admin_options", "admins_of"]


class AnyClient(Generic[ValueT, ResultT]):
    """Everything about a client that does not wait."""

    def __init__(
        self,
        servers: Servers = None,
        *,
        tls: "SSLContext | TLS | None" = None,
        prefix: Text = b"",
        client_id: str | None = None,
        token: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        reply_timeout: float = REPLY_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
        balance: Balance = "order",
        placement: Placement = "rendezvous",
        codec: Codec[ValueT, ResultT] | None = None,
        max_unread: int = MAX_UNREAD,
    ) -> None:
        """Check the options; connections are made when they are first needed.

        Args:
            servers: One server, several, or a comma-separated list; by default those in ``$GEARMAN_SERVERS``, else
                ``localhost:4730``. See `geartrain.transport.address` for the notation.
            tls: Encrypts all TCP connections: an ``ssl.SSLContext``, or a `TLS` that names files.
            prefix: Put before the name of every function.
            client_id: The id that ``gearadmin --workers`` shows for the client's connections.
            token: A secret by which servers with access rules identify the client. A warning is logged if a server does
                not accept it; a request that is not allowed is answered with a `ServerError`, ``NOT_ALLOWED``.
            connect_timeout: Seconds for connecting to one server.
            reply_timeout: Seconds to wait for an answer, without a byte sent or received, before the connection is
                closed and the server counts as failed. Jobs that the server has accepted may take any time.
            keepalive: Seconds after which a dead connection is detected; ``None`` leaves that to the system.
            balance: The choice of a server for jobs without a unique: ``"order"``, the first that can be reached, or
                ``"random"``.
            placement: The choice of a server for jobs with a unique, so that equal jobs go to the same server:
                ``"rendezvous"``, or ``"perl"``, the rule of Perl's ``Gearman::Client``. The latter is for programs in
                both languages that submit the same uniques; all of them must list the same servers in the same order.
                While a server is down, its jobs go to the next one in the list; a Perl client fails them. Programs with
                libgearman (C, PHP, the command line) ignore uniques when they choose a server, so their choice differs.
            codec: Encodes workloads, and decodes results and parts of results; by default text and bytes.
            max_unread: Bytes of unread events that one job keeps; beyond them its events are lost, but not its result.

        Raises:
            ValueError: An option is out of range.
            TypeError: An option has a wrong type.
            LocalProtocolError: The client's id, the token or the prefix is not allowed by the protocol.
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
            max_unread=max_unread,
        )
        self._origin: Self | None = None  # the client whose connections it uses, if they are not its own
        self._set_up()

    def _set_up(self) -> None:
        """Set the attributes of a shell."""
        raise NotImplementedError

    def _show(self, states: Mapping[ServerAddress, str], *, closed: bool) -> str:
        """Return the text of ``repr``: the servers, each with the state of its connection."""
        servers = [f"{each} ({states[each]})" if each in states else str(each) for each in self._options.addresses]
        return f"<{type(self).__name__} {', '.join(servers)}{' (closed)' if closed else ''}>"

    def _foreground(self, wanted: JobRequest) -> Submission:
        """Return the submission of a foreground job."""
        options = self._options
        return submission(wanted, prefix=options.prefix, codec=options.codec)

    def _background(
        self,
        wanted: JobRequest,
        at: Moment | None = None,
        delay: Delay | None = None,
        cron: str | None = None,
        timezone: str | None = None,
    ) -> Submission:
        """Return the submission of a background job."""
        options = self._options
        return submission(
            wanted,
            prefix=options.prefix,
            codec=options.codec,
            background=True,
            start=start_of(at, delay, time.time()),
            cron=cron_of(cron, timezone, at, delay),
        )

    def _with_codec(self, codec: Codec[Any, Any]) -> Any:
        """Return a client with the same connections and another codec."""
        twin = copy.copy(self)
        twin._options = self._options.with_codec(codec)
        twin._origin = self._origin or self
        return twin

    def _bind(
        self,
        function: Callable[..., Any] | Remote[..., Any] | str,
        make: "Callable[[Text, Signature, Callable[[], Self]], Any]",
    ) -> Any:
        """Return a typed function of this client, or a decorator for a function with the name given."""
        if isinstance(function, str):
            name = function
            return lambda stub: make(name, signature_of(stub, name), lambda: self)
        signature = signature_of(function)
        return make(signature.name, signature, lambda: self)


def admins_of(handle: Handle | str, options: ClientOptions[Any, Any]) -> list[str]:
    """Return the servers that may have a job."""
    return [handle.server] if isinstance(handle, Handle) else [str(address) for address in options.addresses]


def admin_options(options: ClientOptions[Any, Any]) -> dict[str, Any]:
    """Return the options of an administrator of a client's servers."""
    return {
        "tls": options.tls,
        "token": options.token.decode("utf-8", "surrogateescape") or None,
        "timeout": options.reply_timeout,
        "connect_timeout": options.connect_timeout,
        "keepalive": options.keepalive,
    }
