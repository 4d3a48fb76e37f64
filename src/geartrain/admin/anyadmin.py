# SPDX-License-Identifier: MIT
"""The common part of both admin clients: their options."""

from typing import TYPE_CHECKING

from geartrain.admin.session import REPLY_TIMEOUT
from geartrain.names import token_bytes
from geartrain.transport.address import ServerAddress, parse_servers
from geartrain.transport.sockets import CONNECT_TIMEOUT, KEEPALIVE
from geartrain.transport.timeouts import check_seconds
from geartrain.transport.tls import TLS, client_context

if TYPE_CHECKING:
    from ssl import SSLContext

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
        tls: "SSLContext | TLS | None" = None,
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
