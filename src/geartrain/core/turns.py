# SPDX-License-Identifier: MIT
"""The budget of a turn of the event loop: a peer that sends much does not delay others.

The unit is about the cost of an ordinary packet. A packet that costs more is charged for it (`Peer.debt`). A peer has a
few units at any time; beyond them it needs a share of the turn, which is smaller the more peers needed one in the turn
before. A peer that gets none waits in the backlog, which is served with the rest of the budget, and with at least a
quarter of it.

Turns are short once some peers needed a share and others were served without in one turn, until the others have been
silent for some such turns: a job takes several turns, and a client would wait for several long ones. In a short turn a
peer gets its share when the replies to the others have been sent.
"""

from typing import Final

from mypy_extensions import i64

__all__ = ["BYTES_PER_UNIT", "FLOOR", "READ_PER_UNIT", "SHORT", "SILENCE", "TURN", "Turns"]

TURN: Final = 4096  # units: about a millisecond where the package is compiled
BYTES_PER_UNIT: Final = 8  # as a power of two: bytes that are sent because of a packet; with TLS
READ_PER_UNIT: Final = 10  # as a power of two: bytes that arrive without TLS
SHORT: Final = 128  # units of a turn if other peers are active
SILENCE: Final = 100  # short turns in a row without others, after which turns are long again
FLOOR: Final = 32  # units that a peer has without a share, and the smallest share


class Turns:
    """The units that are left of a turn, and the shares of peers.

    Attributes:
        served: Number of times that the input of a peer was handled without a share.
        size: The units of the whole turn.
    """

    __slots__ = ("_left", "_portion", "_share", "_short_turns", "_takers", "served", "size")

    def __init__(self) -> None:
        self.served: i64 = 0
        self.size: i64 = TURN
        self._left: i64 = TURN
        self._share: i64 = TURN
        self._portion: i64 = 0
        self._takers: i64 = 0
        self._short_turns: i64 = 0  # that are left

    def begin(self) -> None:
        """Start with the whole budget."""
        takers = self._takers
        if takers:
            if self.served:
                self._short_turns = SILENCE
            elif self._short_turns:
                self._short_turns -= 1
        size: i64 = TURN
        if self._short_turns:
            size = SHORT
            self._share = 0
        else:
            self._share = size if takers < 2 else max(size // takers, FLOOR)
        self.size = size
        self._takers = 0
        self.served = 0
        self._left = size

    def grant(self, budget: i64) -> i64:
        """Add a share to a budget that is used up; it stays negative if nothing is left."""
        self._takers += 1
        granted = self._share if self._share < self._left else self._left  # noqa: FURB136  # `min` boxes both
        self._left -= granted
        return budget + granted

    def give_back(self, budget: i64) -> i64:
        """Return what a peer keeps of a budget that it has not used up."""
        self._left += budget - FLOOR
        return FLOOR

    def begin_backlog(self, count: int) -> None:
        """Share out the rest of the budget among the peers in the backlog."""
        least = self.size // 4  # for the backlog if others have used up all
        if self._left < least:
            self._left = least
        self._portion = max(self._left // max(count, 1), FLOOR)
        self._share = 0  # each has its turn before one has a second

    @property
    def has_rest(self) -> bool:
        """True if something of the budget is left."""
        return self._left > 0

    def share_out(self, budget: i64) -> i64:
        """Add a share to the budget of a peer in the backlog."""
        self._takers += 1
        self._left -= self._portion
        return budget + self._portion
