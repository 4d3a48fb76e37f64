# SPDX-License-Identifier: MIT
"""How an accepted socket is set up: no delay, and an end for a path that has died without a word."""

import socket

from geartrain.server.options import ServerOptions

__all__ = ["tune"]


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
