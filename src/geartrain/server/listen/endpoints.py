# SPDX-License-Identifier: MIT
"""Addresses of sockets: the notation of ``--listen``, and the address of a peer as text.

::

    localhost            every address of a name, on the port of --port
    127.0.0.1:4731       an address with a port of its own
    [::1]:4731           an IPv6 address, in brackets as in a URL; without a port the brackets may be left out
    *:4731               every address of the machine, as an empty host does
    unix:/run/x.sock     a socket in the file system
"""

import ipaddress
import socket
from dataclasses import dataclass

__all__ = ["UNIX", "Endpoint", "describe", "host_of", "is_local"]

UNIX = "unix"  # the host of peers that have none
_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One value of ``--listen``. Without a port, it is that of ``--port``; without a host, all addresses."""

    host: str = ""
    port: int | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read an endpoint; raises `ValueError` with the notation that is expected."""
        if text.startswith(_UNIX):
            path = text.removeprefix(_UNIX)
            if not path:
                raise ValueError("a path such as unix:/run/gearmand.sock")
            return cls(path=path)
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            if not bracket or not host or (rest and not rest.startswith(":")):
                raise ValueError("an IPv6 address such as [::1]:4730")
            return cls(host, _port(rest[1:]))
        if text.count(":") > 1:
            return cls(text)
        host, _, port = text.partition(":")
        if not host or "/" in host or any(letter.isspace() for letter in host):
            raise ValueError("host, host:port, [address]:port or unix:/path")
        return cls("" if host == "*" else host, _port(port))

    @classmethod
    def of(cls, listening: socket.socket) -> "Endpoint":
        """Return the endpoint of a socket that is bound."""
        address = listening.getsockname()
        return cls(path=address) if isinstance(address, str) else cls(address[0], address[1])

    @property
    def is_local(self) -> bool:
        """True if only this machine can connect there. Names other than ``localhost`` are not looked up."""
        return bool(self.path) or self.host == "localhost" or (_is_number(self.host) and is_local((self.host, 0)))

    def __str__(self) -> str:
        if self.path:
            return _UNIX + self.path
        return describe((self.host or "*", self.port)) if self.port is not None else self.host or "*"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _port(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ValueError("a port from 0 to 65535 after the colon")
    return int(text)


def describe(address: object) -> str:
    """Return the address of a socket as text."""
    if not isinstance(address, tuple):
        return f"{_UNIX}{address}" if address else UNIX
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(address: object) -> str:
    """Return the host in the address of a peer."""
    return str(address[0]) if isinstance(address, tuple) else UNIX


def is_local(address: object) -> bool:
    """Tell whether the address of a peer is on this machine."""
    return not isinstance(address, tuple) or ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
