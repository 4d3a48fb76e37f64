# SPDX-License-Identifier: MIT
"""How an accepted socket is set up: no delay, and an end for a path that has died without a word."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from geartrain.server.config.options import ServerOptions

__all__ = ["acknowledger", "tune"]


def tune(accepted: socket.socket, options: ServerOptions) -> None:
    """Set the options of a socket. What the system does not know, or is to decide by itself, is left out.

    Raises:
        OSError: The peer has gone already.
    """
    accepted.setblocking(False)
    if accepted.family == socket.AF_UNIX:
        return
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", options.keepalive_idle),
        ("TCP_KEEPINTVL", options.keepalive_interval),
        ("TCP_KEEPCNT", options.keepalive_count),
        ("TCP_USER_TIMEOUT", int(options.user_timeout * 1000)),
    ):
        number = getattr(socket, name, None)
        if number is not None and value > 0:
            accepted.setsockopt(socket.IPPROTO_TCP, number, value)


def acknowledger(transport: asyncio.BaseTransport) -> Callable[[], None] | None:
    """Return what tells the peer at once that its bytes have come, or None if the system has no such thing.

    libgearman's sockets hold 32 KB of what they send, less than one segment of the loopback interface. It sends one,
    and then nothing until that is acknowledged, which Linux puts off by 40 ms: 16 MiB took 8 s, and now 0.4 s.
    """
    accepted = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is None or accepted is None or accepted.family == socket.AF_UNIX:
        return None

    def acknowledge() -> None:
        with contextlib.suppress(OSError):  # the peer has gone already
            accepted.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge
