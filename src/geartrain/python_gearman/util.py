# SPDX-License-Identifier: MIT
"""The published helpers: a stopwatch for timeouts, a parser of server addresses, and `unlist`."""

import time
from collections.abc import Sequence
from typing import TypeVar

from geartrain.python_gearman.constants import DEFAULT_GEARMAN_PORT
from geartrain.transport import ServerAddress

__all__ = ["Stopwatch", "disambiguate_server_parameter", "unlist"]

Item = TypeVar("Item")


class Stopwatch:
    """The remaining time of a timeout in seconds; ``None`` is no limit."""

    def __init__(self, time_remaining: float | None) -> None:
        self.stop_time = None if time_remaining is None else time.monotonic() + time_remaining

    def get_time_remaining(self) -> float | None:
        """Return the seconds that are left, at least 0."""
        return None if self.stop_time is None else max(self.stop_time - time.monotonic(), 0.0)

    def has_time_remaining(self) -> bool:
        """Return True if time remains."""
        return self.get_time_remaining() != 0.0


def disambiguate_server_parameter(hostport_tuple: str | tuple[str, int | str]) -> tuple[str, int]:
    """Return the host and port of a server given as ``"host:port"``, ``"host"`` or ``(host, port)``.

    Raises:
        ValueError: The server is given in another form.
    """
    if isinstance(hostport_tuple, tuple):
        host, port = hostport_tuple
        return host, int(port or DEFAULT_GEARMAN_PORT)
    address = ServerAddress.parse(hostport_tuple)
    if address.path or address.tls:
        raise ValueError(
            f"{hostport_tuple!r} is not a host and port; for encryption pass a dict with host, port, keyfile, certfile "
            "and ca_certs"
        )
    return address.host, address.port


def unlist(given_list: Sequence[Item]) -> Item | None:
    """Return the only item of a list, or ``None`` if it is empty.

    Raises:
        ValueError: There are several.
    """
    if len(given_list) > 1:
        raise ValueError(f"one item was expected, not {len(given_list)}")
    return given_list[0] if given_list else None
