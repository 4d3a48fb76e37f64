# SPDX-License-Identifier: MIT
"""The search for the NUL byte between two arguments."""

from typing import Final

from mypy_extensions import i64

__all__ = ["find_nul"]

# Bytes that are compared one by one; names and handles are shorter. Beyond them `bytes.find` is faster: for a packet of
# 256 MiB without a NUL byte it takes 10 ms, and a loop 1.9 billion instructions.
_NEAR: Final = 128


def find_nul(data: bytes, start: i64, end: i64) -> i64:
    """Return the index of the first NUL byte from ``start`` on and before ``end``, or -1."""
    near: i64 = start + _NEAR
    if near > end:
        near = end
    position: i64 = start
    while position < near:
        if not data[position]:
            return position
        position += 1
    return i64(data.find(b"\0", position, end)) if position < end else -1
