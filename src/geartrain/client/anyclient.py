# SPDX-License-Identifier: MIT
"""The common part of both clients: options, codecs, and requests that are checked before anything is sent."""

import copy
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from geartrain.client.buffer import MAX_UNREAD
from geartrain.client.cron import cron_of
from geartrain.client.options import REPLY_TIMEOUT, ClientOptions
from geartrain.client.remote import Remote, signature_of
from geartrain.client.request import Delay, Moment, Submission, start_of, submission
from geartrain.client.serverpool import Balance, Placement
from geartrain.codec import RAW, Codec
from geartrain.errors import NoServerAvailable
from geartrain.middleware import wrap
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

__all__ = ["AnyClient", "admins_of"]

CallT = TypeVar("CallT", bound=Callable[[JobRequest], Any])
MiddlewareT = TypeVar("MiddlewareT", bound=Callable[..., Any])


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
        patience: float | None = 0.0,
        on_wait: Callable[[NoServerAvailable], object] | None = None,
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
            patience: Seconds for which a call waits and tries again while no server can be reached, such as during a
                restart; ``None`` for no limit. The wait ends at the call's ``timeout`` if that is earlier. A job that a
                server may have got already waits only if it has a ``unique`` or ``resubmits``.
            on_wait: Called with the `NoServerAvailable` before each pause of such a wait, about once a second; an
                exception that it raises ends the wait.

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
            patience=patience,
            on_wait=on_wait,
        )
        self._middleware: list[Callable[..., Any]] = []  # shared with the clients of other codecs
        self._origin: Self | None = None  # the client whose connections it uses, if they are not its own
        self._set_up()

    def _set_up(self) -> None:
        """Set the attributes of a shell."""
        raise NotImplementedError

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Add a function ``(request, call)`` around every request, inside of those already added; a decorator.

        It gets a `JobRequest`, and passes it or another one on by ``call(request)``, which returns what the client's
        method returns: a result, a job or a handle. ``submit_many`` and ``submit_background_many`` send all their jobs
        after the last call; there ``call(request)`` returns the job or ``None``. For an `AsyncClient` the function is
        an ``async def``, and awaits the call.
        """
        self._middleware.append(middleware)
        return middleware

    def _through(self, call: CallT) -> CallT:
        """Return a call with the middleware around it."""
        return wrap(call, self._middleware)

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
