# SPDX-License-Identifier: MIT
"""What a URL says of a server of a store."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote

from geartrain.storage.store import StoreError

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of ``scheme://user:password@host:port/database?name=value``.

    Attributes:
        host: Where the server is.
        port: Its port.
        user: Our name there; None if it is not said.
        password: And what proves it, or empty.
        database: What is behind the host, or empty.
        options: What is behind the question mark; the first value of each name.
    """

    host: str
    port: int
    user: str | None
    password: str
    database: str
    options: Mapping[str, str]

    @classmethod
    def read(cls, parts: SplitResult, kind: str, port: int) -> "Address":
        """Return what a URL says.

        Args:
            parts: The URL.
            kind: Whose address it is, for the error.
            port: The port if it says none.

        Raises:
            StoreError: Its port is no number of a port.
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
