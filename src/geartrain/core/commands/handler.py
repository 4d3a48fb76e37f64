# SPDX-License-Identifier: MIT
"""The type of packet handlers, and the reading of numbers."""

from collections.abc import Callable
from typing import TypeAlias

from geartrain.core.state import Peer
from geartrain.protocol.commands import Command
from geartrain.protocol.reader import Reader

__all__ = ["Handler", "Handlers", "leading_number"]

Handler: TypeAlias = Callable[[Peer, Reader], None]
Handlers: TypeAlias = dict[Command, Handler]

_LONGEST = 64  # bytes of a number that are looked at


def leading_number(text: bytes) -> int:
    """Read a decimal number as the C server does: trailing bytes are ignored, and no number is 0."""
    text = text[:_LONGEST].lstrip()
    sign = -1 if text.startswith(b"-") else 1
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    length = 0
    while length < len(digits) and 48 <= digits[length] <= 57:
        length += 1
    return sign * int(digits[:length]) if length else 0
