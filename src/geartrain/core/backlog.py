# SPDX-License-Identifier: MIT
"""Peers whose input has to wait, and the reason for each.

A packet that cannot be handled now stays in the `Reader` of its peer, with everything behind it, and the server reads
no more from that peer. There is a queue for each reason: when it is gone, its peers go on in the order in which they
came.
"""

import enum
from collections import OrderedDict

from geartrain.core.outbox import BACKLOG
from geartrain.core.state import Peer

__all__ = ["Backlog", "Reason"]


class Reason(enum.Enum):
    """A reason for the input of a peer to wait."""

    __hash__ = object.__hash__  # that of enumerations is interpreted, and asked for several times a turn

    RESTORING = "restoring"  # until the jobs of an earlier run are back
    LISTING = "listing"  # until the next turn, as this one has listed enough
    DRAINING = "draining"  # until it leaves: it waits for a job that runs, and nothing more is accepted
    BUDGET = "budget"  # until its next share of a turn
    UNREAD = "unread"  # until it has read what it was sent of a listing


class Backlog:
    """The peers that wait.

    Attributes:
        is_empty: True if no peer waits.
    """

    __slots__ = ("_queues", "_reading", "_reasons", "is_empty")

    def __init__(self) -> None:
        self._reasons: dict[Peer, Reason] = {}
        self._queues: dict[Reason, OrderedDict[Peer, None]] = {reason: OrderedDict() for reason in Reason}
        self._reading: list[Peer] = []  # those whose input may be handled before the turn ends
        self.is_empty = True

    def add(self, peer: Peer, reason: Reason) -> None:
        """Add a peer, whose reader is at a packet that cannot be handled yet, and read no more from it.

        One that has only used up its budget may go on in the same turn, so it is read from until `stop_reading`.
        """
        before = self._reasons.get(peer)
        if before is reason:
            return
        if before is not None:
            del self._queues[before][peer]
        elif reason is Reason.BUDGET:
            self._reading.append(peer)
        else:
            self.pause(peer)
        self._reasons[peer] = reason
        self._queues[reason][peer] = None
        peer.waits = True
        self.is_empty = False

    def discard(self, peer: Peer) -> None:
        """Forget a peer that has left."""
        reason = self._reasons.pop(peer, None)
        if reason is not None:
            del self._queues[reason][peer]
        peer.waits = False
        self.is_empty = not self._reasons

    def waits_for(self, peer: Peer, reason: Reason) -> bool:
        """Tell whether a peer waits for that reason."""
        return peer.waits and self._reasons[peer] is reason

    def count(self, reason: Reason) -> int:
        """Return the number of peers that wait for that reason."""
        return len(self._queues[reason])

    def has(self, reason: Reason) -> bool:
        """Tell whether any peer waits for that reason."""
        return len(self._queues[reason]) > 0

    def take(self, reason: Reason) -> list[Peer]:
        """Take out all peers that wait for a reason, the one that has waited longest first."""
        queue = self._queues[reason]
        peers = list(queue)
        queue.clear()
        for peer in peers:
            del self._reasons[peer]
            peer.waits = False
        self.is_empty = not self._reasons
        return peers

    def take_first(self, reason: Reason) -> Peer:
        """Take out the peer that has waited longest for a reason; there must be one."""
        peer, _ = self._queues[reason].popitem(last=False)
        del self._reasons[peer]
        peer.waits = False
        self.is_empty = not self._reasons
        return peer

    def move_last(self, peer: Peer) -> None:
        """Move a peer that has had its turn behind all others, if it waits again."""
        reason = self._reasons.get(peer)
        if reason is not None:
            self._queues[reason].move_to_end(peer)

    def pause(self, peer: Peer) -> None:
        """Read no more from a peer."""
        if peer.outlet is not None:
            peer.outlet.pause_reading(BACKLOG)

    def resume(self, peer: Peer) -> None:
        """Read from a peer again, unless it waits for another reason."""
        if not peer.waits and peer.outlet is not None:
            peer.outlet.resume_reading(BACKLOG)

    def stop_reading(self) -> None:
        """Read no more from the peers that still wait at the end of a turn."""
        if self._reading:
            for peer in self._reading:
                if peer.waits:
                    self.pause(peer)
            self._reading.clear()
