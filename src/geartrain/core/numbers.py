# SPDX-License-Identifier: MIT
"""Numbers of jobs, reserved in the store in blocks before they are used.

A number is never used twice, not even after a server was killed: only numbers up to a limit in the store are used, and
the limit is raised by some blocks when half of the reserved numbers are used up. While the store does not answer,
numbers may run out. Foreground jobs then take numbers from a range that is never stored and that no earlier run has
used, so that a hanging store never stops them; background jobs are refused at that time in any case.
"""

from typing import Final

from mypy_extensions import i64

__all__ = ["BLOCK", "TRANSIENT", "Numbers"]

BLOCK: Final = 16_384  # numbers: small enough to waste some with each start, large enough to hand over with one row
_AHEAD: Final = 64  # blocks that are reserved ahead: a million numbers

# Numbers from here on are transient. A run begins at its start in milliseconds times 2^20, which it cannot use up
# before the next one begins: that would take a thousand million jobs a second.
TRANSIENT: Final = 2**62
_PER_MILLISECOND: Final = 2**20


class Numbers:
    """The numbers that may be used, in order.

    Attributes:
        last: The number that was used last, of those that are reserved.
        reserved: The last number that may be used.
        requested: The last number that a store was asked to reserve.
    """

    __slots__ = ("_transient", "last", "requested", "reserved")

    def __init__(self, started: float) -> None:
        """Begin without a store, so that no number has to be reserved.

        Args:
            started: Seconds since the epoch.
        """
        self.last: i64 = 0
        self.reserved: i64 = TRANSIENT
        self.requested: i64 = TRANSIENT
        self._transient: i64 = TRANSIENT + i64(int(started * 1000)) * _PER_MILLISECOND

    def begin_after(self, reserved: int, *, reserves: bool) -> None:
        """Go on after the numbers that an earlier run had reserved.

        Args:
            reserved: The highest of them.
            reserves: True if numbers must be reserved before they are used; `request` the first ones then.
        """
        self.last = reserved
        if reserves:
            self.reserved = self.requested = reserved

    def take(self) -> i64:
        """Return the next number, or a transient one if the reserved numbers are used up."""
        if self.last < self.reserved:
            self.last += 1
            return self.last
        self._transient += 1
        return self._transient

    @property
    def has_run_out(self) -> bool:
        """True if all reserved numbers are used up."""
        return self.last >= self.reserved

    def request(self) -> int:
        """Return the number up to which the store should reserve, or 0 if enough are left."""
        if self.requested - self.last > BLOCK * _AHEAD // 2:
            return 0
        first_block = self.last // BLOCK
        self.requested = (first_block + 1 + _AHEAD) * BLOCK
        return self.requested

    def grant(self, until: int) -> None:
        """Use numbers up to this one: the store has reserved them."""
        if until > self.reserved:
            self.reserved = until
