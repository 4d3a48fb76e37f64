# SPDX-License-Identifier: MIT
"""From an address to a connected socket."""

import select
import socket
import ssl
import time
from collections.abc import Sequence

from geartrain.errors import NoServerAvailable
from geartrain.transport.address import ServerAddress

__all__ = ["CONNECT_TIMEOUT", "KEEPALIVE", "LEAST_SHARE", "connect", "is_stale", "reason", "tune"]

CONNECT_TIMEOUT = 5.0  # seconds; a server that takes longer is no use to anyone who waits
KEEPALIVE = 60.0  # seconds after which a path that died without a word is noticed
LEAST_SHARE = 0.01  # seconds for an address when the time is over: to a machine that is near it takes less
_LONGEST_KEEPALIVE = 32_767.0  # seconds; Linux counts no further


def connect(
    address: ServerAddress,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = CONNECT_TIMEOUT,
    keepalive: float | None = KEEPALIVE,
) -> socket.socket:
    """Return a connected, blocking socket.

    The name is resolved anew, and all its addresses are tried within the one timeout, each with an equal share of what
    is left of it.

    Args:
        address: The server.
        tls: Encrypts the connection; for ``tls://`` addresses the system's trust is the default. Sockets in the file
            system are never encrypted.
        timeout: Seconds for everything but the resolver, which keeps its own time.
        keepalive: See `tune`.

    Raises:
        NoServerAvailable: It could not be reached; the message says why.
    """
    try:
        if address.path:
            return _connect_unix(address.path, timeout)
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        deadline = time.monotonic() + timeout
        sock = _connect_any(found, deadline)
    except (OSError, UnicodeError) as error:
        raise NoServerAvailable(f"{address}: {reason(error)}") from error
    try:
        tune(sock, keepalive)
        if address.tls or tls is not None:
            sock.settimeout(max(deadline - time.monotonic(), LEAST_SHARE))
            sock = (tls or ssl.create_default_context()).wrap_socket(sock, server_hostname=address.host)
        sock.settimeout(None)
    except OSError as error:
        sock.close()
        raise NoServerAvailable(f"{address}: {reason(error)}") from error
    return sock


def tune(sock: socket.socket, keepalive: float | None) -> None:
    """Send small packets at once, and notice a path that is dead.

    Args:
        sock: A TCP socket.
        keepalive: Seconds of silence from the peer's machine after which the connection is lost; ``None`` leaves that
            to the system, which may take hours.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = min(keepalive, _LONGEST_KEEPALIVE)
    # Half of the time in silence, then three probes. What a system has no name for is left as it is.
    for option, value in (
        ("TCP_KEEPIDLE", max(round(seconds / 2), 1)),
        ("TCP_KEEPINTVL", max(round(seconds / 6), 1)),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", max(round(seconds * 1000), 1)),  # the same for bytes sent and never acknowledged
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def is_stale(sock: socket.socket) -> bool:
    """Tell of a connection on which nothing is awaited whether there is something to read: its end, as a rule."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _connect_unix(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_any(
    found: Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]], deadline: float
) -> socket.socket:
    failure: OSError = OSError("the name has no address")
    for tried, (family, kind, protocol, _, where) in enumerate(found):
        share = (deadline - time.monotonic()) / (len(found) - tried)
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # such as IPv6 on a machine without it
            failure = error
            continue
        try:
            sock.settimeout(max(share, LEAST_SHARE))
            sock.connect(where)
            return sock
        except OSError as error:
            failure = error
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise failure


def reason(error: Exception) -> str:
    """Return why a connection could not be made, without the number of the error."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
