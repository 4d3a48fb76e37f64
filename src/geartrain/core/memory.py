# SPDX-License-Identifier: MIT
"""The memory limit of the server: the room that is left, and who is dropped if there is none.

Jobs, functions, packets that wait to be sent to many clients, and the bytes that are held for peers count together.
"""

from mypy_extensions import i64

from geartrain.core.clock import TurnClock
from geartrain.core.fanout import FanOut
from geartrain.core.functions import FunctionTable
from geartrain.core.holdings import Holdings
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import Limit, least_part
from geartrain.core.oversized import Oversized
from geartrain.core.recipient import Recipient
from geartrain.core.state import Peer

__all__ = ["Memory"]


class Memory:
    """Decides who is dropped when the memory limit is exceeded.

    Args:
        clock: The time of the turn.
        lifecycle: Counts the memory of jobs.
        functions: Counts that of functions.
        fan_out: Counts that of packets that wait to be sent to many clients.
        holdings: Counts the bytes that are held for peers.
        oversized: Ends jobs whose data is too large.
        refused: Number of rejections by each limit.
        max_memory: The limit in bytes; 0 for none.
    """

    __slots__ = ("_clock", "_fan_out", "_functions", "_holdings", "_lifecycle", "_max", "_oversized", "_refused")

    def __init__(
        self,
        clock: TurnClock,
        lifecycle: Lifecycle,
        functions: FunctionTable,
        fan_out: FanOut,
        holdings: Holdings,
        oversized: Oversized,
        refused: dict[Limit, int],
        max_memory: int,
    ) -> None:
        self._clock = clock
        self._lifecycle = lifecycle
        self._functions = functions
        self._fan_out = fan_out
        self._holdings = holdings
        self._oversized = oversized
        self._refused = refused
        self._max = max_memory

    def change_limit(self, max_memory: int) -> None:
        """Change the limit, in bytes; 0 for none."""
        self._max = max_memory

    def count(self) -> None:
        """Count what peers hold, if that is due, and tell the sum of all that is not of jobs."""
        now = self._clock.now
        if now >= self._holdings.next_reading:
            self._holdings.read(now)
        self._lifecycle.held_memory = self._holdings.total + self._functions.held + self._fan_out.held

    @property
    def may_be_too_much(self) -> bool:
        """True if a peer may have to be dropped."""
        return self._holdings.may_be_too_much

    def count_unsent(self, peer: Peer) -> None:
        """Count the bytes that wait to be sent to a peer."""
        self._holdings.count_output(peer)

    def count_all_unsent(self) -> None:
        """Count the bytes that wait to be sent to all peers that were sent something, in portions."""
        self._holdings.next_reading = self._clock.now
        self._holdings.read(self._clock.now)

    def room_for_replies(self) -> int:
        """Return the number of bytes that may still be held for peers that do not read."""
        return self._holdings.room(self._others())

    def room_for_functions(self) -> int:
        """Return the bytes that further functions may take: what the limit leaves, and a part of it at least."""
        limit = self._max
        others = int(self._lifecycle.memory() + self._holdings.total + self._fan_out.held)
        return max(limit - others, least_part(limit)) - int(self._functions.held)

    def peer_to_drop(self) -> tuple[Peer, str] | None:
        """Return a peer to be dropped, and the reason: an overdue packet, or too many bytes.

        Results of workers that take too many bytes are dropped before, in place of their workers.
        """
        holdings = self._holdings
        overdue = holdings.take_overdue()
        if overdue is not None:
            return overdue, "its packet is not complete in time"
        while True:
            peer = holdings.largest(self._others())
            if peer is None:
                return None
            if not self._drop_result(peer):
                return self._drop(peer)

    def peer_to_drop_for(self, recipient: Recipient, size: i64) -> tuple[Peer, str] | None:
        """Return a peer to be dropped, and the reason, to make room for bytes for another one.

        Returns:
            None if there is room, or if no other peer holds more than that.
        """
        while size > self.room_for_replies():
            peer = self._holdings.larger(size, recipient)
            if peer is None:
                break
            if not self._drop_result(peer):
                return self._drop(peer)
        return None

    def note_drop(self, recipient: Recipient, max_unsent: int = 0) -> None:
        """Record that a peer is dropped, as it is to be sent more than a limit allows."""
        assert isinstance(recipient, Peer), "replies are sent to peers"
        self._refused[Limit.UNSENT if max_unsent else Limit.MEMORY] += 1
        self._oversized.drop_worker(recipient, max_unsent or self._max)

    def _others(self) -> i64:
        """Return the bytes of all that is not held for peers."""
        return self._lifecycle.memory() + self._functions.held + self._fan_out.held

    def _drop_result(self, peer: Peer) -> bool:
        is_dropped = self._oversized.drop_result(peer, self._max)
        if is_dropped:
            self._refused[Limit.MEMORY] += 1
        return is_dropped

    def _drop(self, peer: Peer) -> tuple[Peer, str]:
        held = peer.partial + peer.unsent
        if peer.unsent > peer.partial:
            self.note_drop(peer)
        else:
            self._refused[Limit.MEMORY] += 1
        self._holdings.discard(peer)
        return peer, f"{held} bytes are held for it, and all together exceed the memory limit"
