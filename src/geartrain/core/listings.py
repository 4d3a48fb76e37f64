# SPDX-License-Identifier: MIT
"""The budget of listings per turn, so that a peer that asks for long lists does not delay others.

Lines that arrive together are answered together, as tools rely on it (protocol 10), up to a size that no such tool
reads at once. Further lines, and lines of other peers once the budget of the turn is spent, wait for the next turn.
"""

from geartrain.core.state import Peer

__all__ = ["MOST_LISTED", "ListingBudget"]

MOST_LISTED = 64 * 1024  # bytes in a turn: one `read` of those tools, and two milliseconds of our time


class ListingBudget:
    """The bytes that may still be listed in this turn."""

    __slots__ = ("_asking", "_by_one", "_in_all")

    def __init__(self) -> None:
        self._in_all = 0
        self._by_one = 0  # for the peer that asks at present
        self._asking: Peer | None = None

    def begin_turn(self) -> None:
        """Start with the whole budget."""
        self._in_all = self._by_one = 0
        self._asking = None

    def has_budget(self, peer: Peer) -> bool:
        """Tell whether a peer gets an answer now; after its first one it has its own budget."""
        if peer is not self._asking:
            self._asking = peer
            self._by_one = 0
        return (self._by_one or self._in_all) < MOST_LISTED

    def spend(self, size: int) -> None:
        """Subtract the size of an answer to the peer that asked last."""
        self._by_one += size
        self._in_all += size
