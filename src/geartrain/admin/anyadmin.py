# SPDX-License-Identifier: MIT
"""The common part of both admin clients: the options, and the sessions."""

import ssl
from collections.abc import Sequence

from geartrain.admin import calls
from geartrain.admin.session import REPLY_TIMEOUT, AdminSession, Request
from geartrain.names import token_bytes
from geartrain.transport import (
    CONNECT_TIMEOUT,
    KEEPALIVE,
    TLS,
    ServerAddress,
    check_seconds,
    client_context,
    parse_servers,
)

__all__ = ["AnyAdminClient"]


class AnyAdminClient:
    """Everything about an admin client that does not wait; see `AdminClient` for the arguments.

    Attributes:
        address: The server's address.
    """

    def __init__(
        self,
        server: str | ServerAddress | None = None,
        *,
        tls: ssl.SSLContext | TLS | None = None,
        token: str | None = None,
        timeout: float = REPLY_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        keepalive: float | None = KEEPALIVE,
    ) -> None:
        check_seconds(timeout=timeout, connect_timeout=connect_timeout, keepalive=keepalive)
        if token is not None:
            token_bytes(token)
        self.address = parse_servers(server)[0]
        self._tls = client_context(tls)
        self._token = token
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._keepalive = keepalive
        self._set_up()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.address}>"

    def _set_up(self) -> None:
        """Set the attributes of a shell."""
        raise NotImplementedError

    def _session(self, requests: Sequence[Request]) -> AdminSession:
        """Return a session for one call, with its requests."""
        session = AdminSession(str(self.address))
        session.ask_all(requests)
        return session

    def _token_session(self) -> AdminSession | None:
        """Return a session that shows the token on a new connection, or ``None`` without one."""
        return self._session([calls.show_token(self._token)]) if self._token is not None else None
