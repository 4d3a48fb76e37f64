# SPDX-License-Identifier: MIT
"""How much is listed in one turn, so that whoever asks for many long lists does not hold up all others.

Lines that come in one breath are answered in one breath, which tools rely on (protocol 10), up to a size that no such
tool reads at once. What is beyond it, and whoever asks when that much has been listed in a turn, waits for the next.
"""

from geartrain.core.state import Peer

__all__ = ["MOST_LISTED", "Listings"]

MOST_LISTED = 64 * 1024  # bytes in a turn: what a `read` of those tools takes, and two milliseconds of our time


class Listings:
    """Whether there is time left in this turn, and who waits for the next.

    Attributes:
        deferred: The peers that wait, whose packets are parked.
    """

    __slots__ = ("_asking", "_by_one", "_in_all", "deferred")

    def __init__(self) -> None:
        self._in_all = 0
        self._by_one = 0  # for the peer that asks at present
        self._asking: Peer | None = None
        self.deferred: dict[Peer, None] = {}

    def begin_turn(self) -> None:
        """Let everybody ask again."""
        self._in_all = self._by_one = 0
        self._asking = None

    def has_time(self, peer: Peer) -> bool:
        """Tell whether a peer is answered in this turn; one whose answers have begun has what others took besides."""
        if peer is not self._asking:
            self._asking = peer
            self._by_one = 0
        return (self._by_one or self._in_all) < MOST_LISTED

    def note(self, size: int) -> None:
        """Take note of the size of an answer to the peer that asked last."""
        self._by_one += size
        self._in_all += size
