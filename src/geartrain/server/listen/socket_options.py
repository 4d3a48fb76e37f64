# SPDX-License-Identifier: MIT
"""Options of accepted sockets: no delay, and keepalive, which finds connections that died silently."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

from geartrain.server.config.kinds import SECONDS, number
from geartrain.server.config.option import Group, option

__all__ = ["KeepaliveOptions", "acknowledger", "set_options"]


@dataclass(frozen=True, kw_only=True)
class KeepaliveOptions:
    """Detection of connections that died silently, which most of them do.

    Two minutes survive the reboot of a switch, and the jobs of a lost worker wait that long: 60 s until the first
    probe, then four of them, 15 s apart. The limits are those of Linux.
    """

    keepalive_idle: int = option(
        60,
        number(-1, 32767),
        Group.NETWORK,
        "seconds of silence before the system probes a connection; -1: the system's setting",
        details="A connection to a machine that lost its power gives no sign of it, and the jobs of its workers have "
        "to wait until it is closed. With the defaults, that is after 60 seconds of silence and 4 probes at intervals "
        "of 15 seconds.",
        example="30",
    )
    keepalive_interval: int = option(
        15,
        number(-1, 32767),
        Group.NETWORK,
        "seconds between two probes of a silent connection; -1: the system's setting",
        details="See --keepalive-idle.",
        example="5",
    )
    keepalive_count: int = option(
        4,
        number(-1, 127),
        Group.NETWORK,
        "close a connection after this number of unanswered probes; -1: the system's setting",
        details="See --keepalive-idle.",
        example="3",
    )
    user_timeout: float = option(
        120.0,
        SECONDS,
        Group.NETWORK,
        "close a connection when sent data is not acknowledged for this number of seconds; 0: the system's setting",
        details="While sent data is not acknowledged, the system sends no keepalive probes. This timeout finds dead "
        "connections in that case.",
        example="60",
    )


def set_options(accepted: socket.socket, options: KeepaliveOptions) -> None:
    """Set the options of a socket, but for those that the system does not have or is to decide.

    Raises:
        OSError: The peer has closed the connection already.
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
        code = getattr(socket, name, None)
        if code is not None and value > 0:
            accepted.setsockopt(socket.IPPROTO_TCP, code, value)


def acknowledger(transport: asyncio.BaseTransport) -> Callable[[], None] | None:
    """Return a function that sends a TCP acknowledgement at once, or None where the system has no such option.

    libgearman's sockets hold 32 KB of unacknowledged data, less than one segment of the loopback interface. It sends
    one segment, and waits for its acknowledgement, which Linux delays by 40 ms: 16 MiB took 8 s, and now 0.4 s.
    """
    accepted = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is None or accepted is None or accepted.family == socket.AF_UNIX:
        return None

    def acknowledge() -> None:
        with contextlib.suppress(OSError):  # the peer has closed the connection
            accepted.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge
