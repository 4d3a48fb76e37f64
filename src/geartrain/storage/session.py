# SPDX-License-Identifier: MIT
"""Sessions: a batch is stored only while its server owns the store.

The store keeps a token, a random number. A server writes its own when it opens the store and another one whenever it
has to connect again; each batch is stored only if the token is still that of its connection. So

- a batch whose connection was lost, and which may still be under way, cannot be stored any more once there is a new
  connection: writing the new token waits for it, or makes it fail;
- a server whose store was taken over by another one, while it was cut off, notices that at its next batch.
"""

import os

__all__ = ["Session"]

_REMEMBERED = 16  # tokens of earlier connections; an engine that loses its last second may have one of them again


class Session:
    """The tokens of one opened store.

    Attributes:
        token: The token of the current connection.
    """

    def __init__(self) -> None:
        self.token = 0
        self._own: list[int] = []

    def start(self) -> int:
        """Return the token of the first connection, which takes the store over."""
        self.token = _random_token()
        self._own = [self.token]
        return self.token

    def renew(self) -> list[int]:
        """Choose the token of a further connection, and return those that the store may have instead.

        Connections may have been lost before it was known if their token was written.
        """
        expected = [*self._own]
        self.token = _random_token()
        self._own.append(self.token)
        return expected

    def confirm(self) -> None:
        """Record that the store has the current token."""
        del self._own[:-_REMEMBERED]


def _random_token() -> int:
    """Return a random number of 62 bits; the columns for numbers have 63."""
    return int.from_bytes(os.urandom(8), "big") >> 2
