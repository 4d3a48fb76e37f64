# SPDX-License-Identifier: MIT
"""The limit of connections, in all and from each address.

A connection over the limit is rejected with an ERROR packet. A few more from this machine are accepted anyway,
for text commands alone and for a short time, so that the administrator can connect and free some.
"""

from dataclasses import dataclass

from geartrain.core.limits import Limit, Refused
from geartrain.server.config.kinds import TIMEOUT, number
from geartrain.server.config.option import Group, option
from geartrain.server.listen.endpoints import UNIX, host_of, is_local

__all__ = ["MAX_ADMIN_ONLY", "ConnectionLimitOptions", "ConnectionLimiter", "Slot"]

MAX_ADMIN_ONLY = 4  # connections over the limit at a time
_CODE = "TOO_MANY_CONNECTIONS"


@dataclass(frozen=True, kw_only=True)
class ConnectionLimitOptions:
    """The limits, and the time that a connection over them has."""

    max_connections: int = option(
        0,
        number(0),
        Group.LIMITS,
        "maximum number of connections; 0: no limit",
        reloadable=True,
        details="Further connections get an error that names the limit, and are closed. But four more connections from "
        "this machine may send text commands, so that gearadmin still works.",
        example="5000",
    )
    max_connections_per_address: int = option(
        0,
        number(0),
        Group.LIMITS,
        "maximum number of connections from one address; 0: no limit",
        reloadable=True,
        details="This keeps one faulty client from using up all connections. Unix sockets are not counted.",
        example="100",
    )
    admin_timeout: float = option(
        5.0,
        TIMEOUT,
        Group.LIMITS,
        "when a limit of connections is reached, seconds that gearadmin may stay connected",
        reloadable=True,
        details="When --max-connections or --max-connections-per-address is reached, four more connections from this "
        "machine may send text commands. Each of them is closed after this time.",
        example="10",
    )
    # The connection that has the last descriptor keeps all others out, and it may be that of a worker which reconnects
    # rather than the administrator's.
    last_admin_timeout: float = option(
        1.0,
        TIMEOUT,
        Group.LIMITS,
        "when no file descriptor is left, seconds that gearadmin may stay connected",
        reloadable=True,
        details="The server keeps one file descriptor in reserve. When all others are in use, it accepts one "
        "connection with it, closes that connection after this time, and then accepts the next one.",
        example="0.5",
    )


class Slot:
    """The place of one connection within the limit, or over it, until it leaves.

    Attributes:
        is_admin_only: The connection is over the limit.
        is_last: The connection has the last file descriptor.
    """

    __slots__ = ("_host", "_limiter", "is_admin_only", "is_last")

    def __init__(self, limiter: "ConnectionLimiter", host: str, is_admin_only: bool, is_last: bool) -> None:
        self._limiter: ConnectionLimiter | None = limiter
        self._host = host
        self.is_admin_only = is_admin_only
        self.is_last = is_last

    def leave(self) -> None:
        """Free the place; a second call has no effect."""
        if self._limiter is not None:
            self._limiter.leave(self._host, is_admin_only=self.is_admin_only)
            self._limiter = None


class ConnectionLimiter:
    """Counts connections, in all and from each address.

    Args:
        options: The limits.
    """

    def __init__(self, options: ConnectionLimitOptions) -> None:
        self._connections = 0
        self._admin_only = 0
        self._by_host: dict[str, int] = {}
        self.reload(options)

    def reload(self, options: ConnectionLimitOptions) -> None:
        """Apply other limits to new connections. Those that exist may stay."""
        self._max = options.max_connections
        self._max_per_address = options.max_connections_per_address

    def enter(self, address: object, *, is_last: bool = False) -> Slot:
        """Return a slot for a new connection.

        Args:
            address: The address of the peer.
            is_last: The connection has the last file descriptor, so it is over the limit.

        Raises:
            Refused: The limit is reached, and so is that of connections over it.
        """
        host = host_of(address)
        refusal = self._refusal(host, is_last=is_last)
        if refusal is not None and (not is_local(address) or self._admin_only >= MAX_ADMIN_ONLY):
            raise refusal
        slot = Slot(self, host, refusal is not None, is_last)
        self._connections += 1
        self._admin_only += slot.is_admin_only
        self._by_host[host] = self._by_host.get(host, 0) + 1
        return slot

    def leave(self, host: str, *, is_admin_only: bool) -> None:
        """Count a connection no longer."""
        self._connections -= 1
        self._admin_only -= is_admin_only
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]

    def _refusal(self, host: str, *, is_last: bool) -> Refused | None:
        if is_last:
            return Refused(Limit.CONNECTIONS, "The server has no file descriptor left for a connection", _CODE)
        if 0 < self._max <= self._connections - self._admin_only:
            return Refused(Limit.CONNECTIONS, f"Too many connections (limit {self._max})", _CODE)
        if 0 < self._max_per_address <= self._by_host.get(host, 0) and host != UNIX:
            text = f"Too many connections from this address (limit {self._max_per_address})"
            return Refused(Limit.ADDRESS, text, _CODE)
        return None
