# SPDX-License-Identifier: MIT
"""Files of tokens, which both sides of a connection read: a server those that it knows, a program its own."""

import os
import stat
from pathlib import Path

from geartrain.errors import LocalProtocolError
from geartrain.names import token_bytes

__all__ = ["is_exposed", "read_tokens"]


def read_tokens(path: str | os.PathLike[str]) -> list[str]:
    """Return the tokens in a file: one a line, but for empty lines and those that begin with ``#``.

    Raises:
        OSError: The file cannot be read.
        ValueError: There is none in it, or one cannot be a token. Nothing of it is in the message.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="ascii").splitlines()]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: a token has nothing but ASCII letters") from None
    tokens = [line for line in lines if line and not line.startswith("#")]
    if not tokens:
        raise ValueError(f"{path}: there is no token in this file")
    for token in tokens:
        try:
            token_bytes(token)
        except LocalProtocolError as error:
            raise ValueError(f"{path}: {error}") from None
    return tokens


def is_exposed(path: str | os.PathLike[str]) -> bool:
    """Tell whether every user of the machine may read or change a file."""
    return bool(Path(path).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
