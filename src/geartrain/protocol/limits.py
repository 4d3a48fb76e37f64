# SPDX-License-Identifier: MIT
"""Size limits of the protocol that both sides of a connection use (protocol 1.1, 1.2)."""

from typing import Final

__all__ = [
    "INT64_MAX",
    "MAX_CLIENT_ID",
    "MAX_FUNCTION_NAME",
    "MAX_LINE",
    "MAX_PACKET",
    "MAX_UNIQUE",
]

MAX_PACKET: Final = 256 * 1024 * 1024  # bytes after the header: far above any known use, far below a machine's memory
MAX_LINE: Final = 8192  # bytes of a text line with its end, as in the C server
MAX_UNIQUE: Final = 64  # bytes, also of a reducer's name
MAX_FUNCTION_NAME: Final = 8000  # bytes; the C server's buffer ends there too, and each name is kept, listed and logged
MAX_CLIENT_ID: Final = 127  # bytes that a server keeps
INT64_MAX: Final = 2**63 - 1  # the largest time or number on the wire, and the largest that stores hold
