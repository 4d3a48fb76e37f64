# SPDX-License-Identifier: MIT
"""Who may come in: how many connections there are, in all and from each address.

Whoever finds no room is told so. A few more of this machine are let in all the same, as guests, who may ask in text for
a while: the one who is to set things right must not stand outside.
"""

import contextlib
import socket

from geartrain.core.limits import Limit, Refused
from geartrain.server.config.options import ServerOptions
from geartrain.server.endpoints import UNIX, host_of, is_local

__all__ = ["Admission", "Place", "turn_away"]

MAX_GUESTS = 4  # beyond the limit, at a time
GUEST_TIME = 5.0  # seconds until a guest has to leave
# The same for the one who has the descriptor that is kept in reserve. Nobody else can come in meanwhile, and it may be
# a worker that comes back, rather than the administrator, who has asked by then.
LAST_GUEST_TIME = 1.0
_CODE = "TOO_MANY_CONNECTIONS"


class Place:
    """The room that one connection takes, until it leaves.

    Attributes:
        is_guest: Whether it is beyond the limit.
        is_last: Whether there is no descriptor for anybody else.
    """

    __slots__ = ("_admission", "_host", "is_guest", "is_last")

    def __init__(self, admission: "Admission", host: str, is_guest: bool, is_last: bool) -> None:
        self._admission: Admission | None = admission
        self._host = host
        self.is_guest = is_guest
        self.is_last = is_last

    def leave(self) -> None:
        """Make room; a second time does no harm."""
        if self._admission is not None:
            self._admission.leave(self._host, is_guest=self.is_guest)
            self._admission = None


class Admission:
    """Counts who is here.

    Args:
        options: The limits.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._connections = 0
        self._guests = 0
        self._by_host: dict[str, int] = {}
        self.change_limits(options)

    def change_limits(self, options: ServerOptions) -> None:
        """Go by these limits from now on. Whoever is in may stay."""
        self._most = options.max_connections
        self._most_per_address = options.max_connections_per_address

    def enter(self, address: object, *, is_short: bool = False) -> Place:
        """Return a place for a peer.

        Args:
            is_short: There is room for guests alone, as there are no descriptors left.

        Raises:
            Refused: There is none.
        """
        host = host_of(address)
        refusal = self._refusal(host, is_short=is_short)
        if refusal is not None and (not is_local(address) or self._guests >= MAX_GUESTS):
            raise refusal
        place = Place(self, host, refusal is not None, is_short)
        self._connections += 1
        self._guests += place.is_guest
        self._by_host[host] = self._by_host.get(host, 0) + 1
        return place

    def leave(self, host: str, *, is_guest: bool) -> None:
        """Take note that a peer is gone."""
        self._connections -= 1
        self._guests -= is_guest
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]

    def _refusal(self, host: str, *, is_short: bool) -> Refused | None:
        if is_short:
            return Refused(Limit.CONNECTIONS, "The server has no descriptor left for a connection", _CODE)
        if 0 < self._most <= self._connections - self._guests:
            return Refused(Limit.CONNECTIONS, f"The server has the {self._most} connections that it may", _CODE)
        if 0 < self._most_per_address <= self._by_host.get(host, 0) and host != UNIX:
            text = f"There are {self._most_per_address} connections from this address, as many as there may be"
            return Refused(Limit.ADDRESS, text, _CODE)
        return None


def turn_away(accepted: socket.socket, message: bytes) -> None:
    """Close a connection at once, and say why as far as the peer may hear it.

    What it has sent already is read: the kernel would otherwise throw away what we say.
    """
    with contextlib.suppress(OSError):
        accepted.setblocking(False)
        accepted.send(message)
        accepted.shutdown(socket.SHUT_WR)
        accepted.recv(1 << 16)
    accepted.close()
