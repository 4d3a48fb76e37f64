# SPDX-License-Identifier: MIT
"""MurmurHash3, which libgearman uses for the unique ``#`` (protocol 1.8), so that jobs of both are the same."""

import struct

__all__ = ["unique_of"]

_MASK = 0xFFFFFFFF
_SEED = 0xDEADBEEF


def unique_of(workload: bytes) -> str:
    """Return the unique for a workload: MurmurHash3, x86, 32 bits, with a seed that grows with the length."""
    size = len(workload)
    whole = size & ~3
    state = _SEED * size & _MASK
    for (block,) in struct.iter_unpack("<I", workload[:whole]):
        state ^= _mix(block)
        state = (_rotate(state, 13) * 5 + 0xE6546B64) & _MASK
    if size > whole:
        state ^= _mix(int.from_bytes(workload[whole:], "little"))
    state ^= size
    state = (state ^ state >> 16) * 0x85EBCA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & _MASK
    return str(state ^ state >> 16)


def _mix(block: int) -> int:
    return _rotate(block * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK


def _rotate(number: int, bits: int) -> int:
    return (number << bits | number >> 32 - bits) & _MASK
