# SPDX-License-Identifier: MIT
"""Token files: a server reads the tokens that it accepts, a program the one that it sends."""

import os
import stat
from pathlib import Path

from geartrain.errors import LocalProtocolError
from geartrain.names import token_bytes

__all__ = ["is_exposed", "read_tokens"]


def read_tokens(path: str | os.PathLike[str]) -> list[str]:
    """Return the tokens in a file, one a line; empty lines and lines that begin with ``#`` are skipped.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file has no token, or a line cannot be one. The message does not contain the line.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="ascii").splitlines()]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: a token consists of ASCII characters") from None
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
    """Return True if every user of the machine may read or change a file."""
    return bool(Path(path).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH))
