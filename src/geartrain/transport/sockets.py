# SPDX-License-Identifier: MIT
"""Connecting to an address: a blocking socket, its options, and the reason of a failure."""

import math
import select
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from geartrain.errors import NoServerAvailable
from geartrain.transport.address import ServerAddress

if TYPE_CHECKING:
    from ssl import SSLContext  # which takes 13 ms to import, so that only encrypted connections do

__all__ = [
    "CONNECT_TIMEOUT",
    "KEEPALIVE",
    "LEAST_SHARE",
    "WITHOUT_TLS",
    "connect",
    "is_readable",
    "is_stale",
    "reason",
    "tune",
]

CONNECT_TIMEOUT = 5.0  # seconds; a server that takes longer is too slow to wait for
KEEPALIVE = 60.0  # seconds after which a peer that vanished without closing is noticed
LEAST_SHARE = 0.01  # seconds for one address when the timeout is over: a machine on the same network needs less
WITHOUT_TLS = "it answers without TLS; leave out tls:// or the option for TLS"
_LONGEST_KEEPALIVE = 32_767.0  # seconds; Linux counts no further


def connect(
    address: ServerAddress,
    *,
    tls: "SSLContext | None" = None,
    timeout: float = CONNECT_TIMEOUT,
    keepalive: float | None = KEEPALIVE,
) -> socket.socket:
    """Return a connected, blocking socket.

    The name is resolved at each call. All its addresses are tried within the one timeout, each with an equal share of
    the time that is left.

    Args:
        address: The server.
        tls: Encrypts the connection; for ``tls://`` addresses the system's authorities are the default. Unix sockets
            are never encrypted.
        timeout: Seconds for everything but the resolver, which has timeouts of its own.
        keepalive: See `tune`.

    Raises:
        NoServerAvailable: The server could not be reached; the message says why.
    """
    try:
        if address.path:
            return _connect_unix(address.path, timeout)
        # A name of ASCII letters, as bytes, does not load the codec for international names, which takes 2 ms.
        host = address.host.encode() if address.host.isascii() else address.host
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
        deadline = time.monotonic() + timeout
        sock = _connect_any(found, deadline)
    except (OSError, UnicodeError) as error:
        raise NoServerAvailable(f"{address}: {reason(error)}") from error
    try:
        tune(sock, keepalive)
        if address.tls or tls is not None:
            sock.settimeout(max(deadline - time.monotonic(), LEAST_SHARE))
            sock = (tls or _default_context()).wrap_socket(sock, server_hostname=address.host)
        sock.settimeout(None)
    except OSError as error:
        sock.close()
        raise NoServerAvailable(f"{address}: {reason(error)}") from error
    return sock


def _default_context() -> "SSLContext":
    from ssl import create_default_context

    return create_default_context()


def tune(sock: socket.socket, keepalive: float | None) -> None:
    """Set TCP_NODELAY, and keep-alive probes that notice a dead peer.

    Args:
        sock: A TCP socket.
        keepalive: Seconds without any packet from the peer's machine after which the connection is lost; ``None``
            leaves that to the system, which may take hours.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if keepalive is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = min(keepalive, _LONGEST_KEEPALIVE)
    # Half of the time idle, then three probes. Options that a system does not have are skipped.
    for option, value in (
        ("TCP_KEEPIDLE", max(round(seconds / 2), 1)),
        ("TCP_KEEPINTVL", max(round(seconds / 6), 1)),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", max(round(seconds * 1000), 1)),  # the same for bytes sent and never acknowledged
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def is_readable(sock: socket.socket, timeout: float) -> bool:
    """Wait until a socket has something to read, or is closed; return False at the timeout.

    Any other exception is that of a signal handler.
    """
    if not hasattr(select, "poll"):  # on Windows; elsewhere ``select`` takes no descriptors beyond 1,024
        try:
            return bool(select.select([sock], [], [], timeout)[0])
        except (ValueError, OSError):
            if sock.fileno() >= 0:
                raise
            return True
    poll = select.poll()
    try:
        poll.register(sock, select.POLLIN)
    except ValueError:  # another thread has closed it
        return True
    return bool(poll.poll(math.ceil(timeout * 1000)))


def is_stale(sock: socket.socket) -> bool:
    """Return True if a connection that expects no answer has something to read: usually its end."""
    return is_readable(sock, 0.0)


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
    """Return the reason of a failed connect as text, without the error's number."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # By its attribute, as only encrypted connections import ssl.
    if getattr(error, "reason", "") == "WRONG_VERSION_NUMBER":
        return WITHOUT_TLS
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
