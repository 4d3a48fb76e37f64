# SPDX-License-Identifier: MIT
"""Addresses of database servers in URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote

from geartrain.storage.store import StoreError

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of ``scheme://user:password@host:port/database?name=value``.

    Attributes:
        host: The host.
        port: The port.
        user: The name to log in with; None if there is none.
        password: Its password, or empty.
        database: The path behind the host, or empty.
        options: The query; the first value of each name.
    """

    host: str
    port: int
    user: str | None
    password: str
    database: str
    options: Mapping[str, str]

    @classmethod
    def read(cls, parts: SplitResult, kind: str, port: int) -> "Address":
        """Return the address in a URL.

        Args:
            parts: The URL.
            kind: The kind of server, for the error.
            port: The port if the URL has none.

        Raises:
            StoreError: The URL's port is not a port number.
        """
        try:
            port = parts.port or port
        except ValueError as error:
            raise StoreError(f"not a {kind} address: {error}") from error
        return cls(
            unquote(parts.hostname or "localhost"),
            port,
            unquote(parts.username) if parts.username else None,
            unquote(parts.password or ""),
            unquote(parts.path.strip("/")),
            {name: values[0] for name, values in parse_qs(parts.query).items()},
        )
