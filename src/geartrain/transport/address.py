# SPDX-License-Identifier: MIT
"""Server addresses: the notation for one server, and for several.

::

    a                    host and port 4730
    a:4731               host and port
    [::1]:4731           an IPv6 address, in brackets as in a URL; without a port the brackets may be left out
    unix:/run/x.sock     a socket in the file system
    tls://a:4731         host and port, encrypted
"""

import os
from collections.abc import Iterable
from typing import TypeAlias

from geartrain.frozen import frozen
from geartrain.platforms import require

__all__ = ["DEFAULT_PORT", "ServerAddress", "Servers", "parse_servers"]

DEFAULT_PORT = 4730

_TLS = "tls://"
_UNIX = "unix:"


@frozen
class ServerAddress:
    """The address of one server: a host and port, or the path of a Unix socket.

    ``str()`` writes it so that `parse` reads it back.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    tls: bool = False
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "ServerAddress":
        """Read one address.

        Raises:
            ValueError: The text is not an address; the message says why.
            UnsupportedPlatform: It is a Unix socket, and this system has none.
        """
        written = text.strip()
        if written.startswith(_UNIX):
            path = written.removeprefix(_UNIX)
            if not path:
                raise ValueError(f"{text!r} names no path; write it like unix:/run/gearmand.sock")
            require(f"the address {written}", ("socket.AF_UNIX",), "use the host and the port of the server")
            return cls(host="", port=0, path=path)
        tls = written.startswith(_TLS)
        written = written.removeprefix(_TLS).removesuffix("/") if tls else written
        if not written:
            raise ValueError(f"{text!r} names no server; write it like host, host:4730, tls://host or unix:/path")
        if "/" in written:
            raise ValueError(
                f"{text!r} is not a server address: a host cannot contain '/', and the only scheme is tls://"
            )
        host, port = _split(written, text)
        return cls(host=host or "localhost", port=port, tls=tls)

    def __str__(self) -> str:
        if self.path:
            return _UNIX + self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{_TLS if self.tls else ''}{host}:{self.port}"


def _split(written: str, text: str) -> tuple[str, int]:
    if written.startswith("["):
        host, bracket, rest = written[1:].partition("]")
        if not bracket or not host or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not a server address: an IPv6 address is written like [::1]:4730")
        return host, _port(rest[1:], text)
    if written.count(":") > 1:
        return written, DEFAULT_PORT
    host, _, port = written.partition(":")
    if any(letter.isspace() for letter in host):
        raise ValueError(f"{text!r} is not a server address: a host cannot contain white space")
    return host, _port(port, text)


def _port(port: str, text: str) -> int:
    if not port:
        return DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is not a server address: a port is a number from 1 to 65535, not {port!r}")
    return int(port)


# The values by which users name servers.
Servers: TypeAlias = str | ServerAddress | Iterable[str | ServerAddress] | None


def parse_servers(servers: Servers = None) -> list[ServerAddress]:
    """Return the addresses of one server, of several, or of a comma-separated list.

    ``None`` means the servers in the environment variable ``GEARMAN_SERVERS``, or else ``localhost:4730``. A server
    that is named twice is used once.

    Raises:
        ValueError: One of them is not an address, or there are none.
        TypeError: One of them is neither text nor a `ServerAddress`.
    """
    if servers is None:
        servers = os.environ.get("GEARMAN_SERVERS", "").strip() or "localhost"
    if isinstance(servers, str | ServerAddress):
        servers = [servers]
    if not isinstance(servers, Iterable):
        raise TypeError(f"servers are named in text or by a ServerAddress, alone or in a list, not {servers!r}")
    addresses: dict[ServerAddress, None] = {}  # a set that keeps its order
    for server in servers:
        if isinstance(server, ServerAddress):
            addresses[server] = None
        elif not isinstance(server, str):
            raise TypeError(f"a server is named in text, like 'localhost:4730', or by a ServerAddress, not {server!r}")
        else:
            addresses.update((ServerAddress.parse(text), None) for text in server.split(","))
    if not addresses:
        raise ValueError("the list of servers is empty; leave it out for $GEARMAN_SERVERS or localhost:4730")
    return list(addresses)
