# SPDX-License-Identifier: MIT
"""Where a server listens: the notation, and the sockets that come of it.

::

    localhost            every address of a name, on the port of --port
    127.0.0.1:4731       an address with a port of its own
    [::1]:4731           an IPv6 address, in brackets as in a URL; without a port the brackets may be left out
    *:4731               every address of the machine, as an empty host does
    unix:/run/x.sock     a socket in the file system
"""

import contextlib
import errno
import ipaddress
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["UNIX", "Endpoint", "bind", "describe", "host_of", "is_local"]

UNIX = "unix"  # the host of peers that have none
_UNIX = "unix:"
# An address of this kind is not there on this machine; another address of the same name may be.
_ABSENT = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one ``--listen`` names. Without a port, it is that of ``--port``; without a host, all addresses."""

    host: str = ""
    port: int | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read an endpoint; raises `ValueError` with what would be right."""
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

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can connect there. What a name stands for is not looked up."""
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
        raise ValueError("a port from 0 to 65535 behind the colon")
    return int(text)


def describe(address: object) -> str:
    """Return a socket's address as people write it."""
    if not isinstance(address, tuple):
        return f"{_UNIX}{address}" if address else UNIX
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(address: object) -> str:
    """Return the host in a peer's address."""
    return str(address[0]) if isinstance(address, tuple) else UNIX


def is_local(address: object) -> bool:
    """Tell whether a peer's address says that it is on this machine."""
    return not isinstance(address, tuple) or ipaddress.ip_address(address[0].partition("%")[0]).is_loopback


def bind(endpoint: Endpoint, default_port: int) -> list[socket.socket]:
    """Return bound sockets, one for each address of the endpoint; nobody can connect to them yet.

    Addresses of one name that this machine does not have, such as those of IPv6 where it is switched off, are left out
    as long as there is another. With port 0 all of them get the port that the first one was given.

    Raises:
        OSError: None of them, or one that is in use, could be bound.
    """
    if endpoint.path:
        return [_bind_path(endpoint.path)]
    port = default_port if endpoint.port is None else endpoint.port
    found = socket.getaddrinfo(endpoint.host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, address in sorted({(family, address) for family, _, _, _, address in found}):
            try:
                bound = _bind_address(family, (address[0], port, *address[2:]))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
                continue
            undo.callback(bound.close)
            sockets.append(bound)
            port = bound.getsockname()[1]
        if not sockets:
            assert absent is not None, "a name has at least one address"
            raise absent
        undo.pop_all()
    return sockets


def _bind_address(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _bind_path(path: str) -> socket.socket:
    """Bind a socket in the file system, in place of one that a server has left behind."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_abandoned(path):
            Path(path).unlink()
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    return bound


def _is_abandoned(path: str) -> bool:
    """Tell whether there is a socket on which nobody listens. Whatever else is there stays."""
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener whose backlog is full is alive, and would let us wait
        return probe.connect_ex(path) == errno.ECONNREFUSED
