# SPDX-License-Identifier: MIT
"""Peers whose input has to wait, and the reason for each.

A packet that cannot be handled now stays in the `Reader` of its peer, with everything behind it, and the server reads
no more from that peer. There is one queue for all reasons: when a reason is gone, its peers go on in the order in which
they came.
"""

import enum
from collections import OrderedDict

from geartrain.core.outbox import BACKLOG
from geartrain.core.state import Peer

__all__ = ["Backlog", "Reason"]


class Reason(enum.Enum):
    """A reason for the input of a peer to wait."""

    RESTORING = "restoring"  # until the jobs of an earlier run are back
    LISTING = "listing"  # until the next turn, as this one has listed enough
    DRAINING = "draining"  # until it leaves: it waits for a job that runs, and nothing more is accepted


class Backlog:
    """The peers that wait.

    Attributes:
        is_empty: True if no peer waits.
    """

    __slots__ = ("_peers", "is_empty")

    def __init__(self) -> None:
        self._peers: OrderedDict[Peer, Reason] = OrderedDict()
        self.is_empty = True

    def __contains__(self, peer: object) -> bool:
        return peer in self._peers

    def add(self, peer: Peer, reason: Reason) -> None:
        """Pause reading from a peer, whose reader is at a packet that cannot be handled yet."""
        if peer not in self._peers and peer.outlet is not None:
            peer.outlet.pause_reading(BACKLOG)
        self._peers[peer] = reason
        self.is_empty = False

    def discard(self, peer: Peer) -> None:
        """Forget a peer that has left."""
        self._peers.pop(peer, None)
        self.is_empty = not self._peers

    def has(self, reason: Reason) -> bool:
        """Tell whether any peer waits for that reason."""
        return not self.is_empty and reason in self._peers.values()

    def take(self, reason: Reason) -> list[Peer]:
        """Take out all peers that wait for a reason, the one that has waited longest first."""
        peers = [peer for peer, why in self._peers.items() if why is reason]
        for peer in peers:
            del self._peers[peer]
        self.is_empty = not self._peers
        return peers

    def move_last(self, peer: Peer) -> None:
        """Move a peer that has had its turn behind all others, if it waits again."""
        if peer in self._peers:
            self._peers.move_to_end(peer)

    def resume(self, peer: Peer) -> None:
        """Read from a peer again, unless it waits for another reason."""
        if peer not in self._peers and peer.outlet is not None:
            peer.outlet.resume_reading(BACKLOG)
