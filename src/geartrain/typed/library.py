# SPDX-License-Identifier: MIT
"""The library that reads and writes JSON by annotations."""

from geartrain.codec import load_msgspec
from geartrain.typed.jsontype import JsonLibrary

__all__ = ["library"]


def library() -> JsonLibrary:
    """Return msgspec, or the standard library if msgspec is not installed."""
    msgspec = load_msgspec()
    if msgspec is None:
        from geartrain.typed.standard import StandardLibrary

        return StandardLibrary()
    from geartrain.typed.withmsgspec import Msgspec

    return Msgspec(msgspec)
