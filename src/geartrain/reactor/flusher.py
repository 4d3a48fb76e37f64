# SPDX-License-Identifier: MIT
"""The end of a turn of the event loop, for all connections together.

Packets are passed to the core as they arrive. When all that the loop had ready has been read, the flusher runs the
core's deadlines and sends its output: everything for one peer leaves in one write, as tools that read once expect
(protocol 10), and as it costs least. If some peers wait for a share of the turn, the replies to the others leave first.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from mypy_extensions import i64

from geartrain.core.holdings import LARGE
from geartrain.core.jobserver import JobServer
from geartrain.core.outbox import Outlet
from geartrain.core.recipient import Recipient
from geartrain.core.state import Peer
from geartrain.reactor.backpressure import HOLD_TIME, Backpressure

__all__ = ["Flusher"]

log = logging.getLogger("geartrain.server")

_SENT_BETWEEN: Final = 1024 * 1024  # bytes that are sent to all peers before their unsent bytes are counted again


class Flusher:
    """Sends the output of the core.

    Args:
        job_server: The core.
        loop: The event loop that runs it.
        max_unsent: The maximum number of bytes that may wait for a peer that does not read.
        after_turn: Called when everything has been sent, if there is news for it or `is_stopping` is set.
        hold_time: Seconds for which back-pressure pauses reading from a worker at a time.

    Attributes:
        is_scheduled: True if it will run at the end of this turn.
        is_stopping: Set from the first request of a shutdown on.
        backpressure: Slows down workers whose results are not read.
        is_empty: Set while there are no connections.
    """

    __slots__ = (
        "_after_turn",
        "_call_soon",
        "_callback",
        "_deadline",
        "_max_unsent",
        "_peers",
        "_sent",
        "_timer",
        "_timer_callback",
        "_timer_due",
        "backpressure",
        "is_empty",
        "is_scheduled",
        "is_stopping",
        "job_server",
        "loop",
    )

    def __init__(
        self,
        job_server: JobServer,
        loop: asyncio.AbstractEventLoop,
        max_unsent: int,
        after_turn: Callable[[], None],
        hold_time: float = HOLD_TIME,
    ) -> None:
        self.job_server = job_server
        self.loop = loop
        self.is_scheduled = False
        self.is_stopping = False
        self._max_unsent = max_unsent
        self._sent: i64 = 0  # bytes since all peers were counted
        self._after_turn = after_turn
        self._peers: dict[Peer, Outlet] = {}  # also peers whose connections are being closed
        self.backpressure = Backpressure(job_server, loop, self.schedule, hold_time)
        self._call_soon: Callable[[Callable[[], None]], object] = loop.call_soon
        self._callback: Callable[[], None] = self.run
        self._timer_callback: Callable[[], None] = self._on_timer
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0  # by the loop's clock
        self._deadline = 0.0  # the same by the core's clock
        self.is_empty = asyncio.Event()
        self.is_empty.set()

    def change_limit(self, max_unsent: int) -> None:
        """Change the limit of bytes that may wait for a peer."""
        self._max_unsent = max_unsent

    @property
    def outlets(self) -> list[Outlet]:
        """The outlets of all peers, including those whose connections are being closed."""
        return list(self._peers.values())

    def add(self, peer: Peer, outlet: Outlet) -> None:
        """Add a peer, to which data is sent through an outlet."""
        peer.outlet = outlet
        self._peers[peer] = outlet
        self.is_empty.clear()

    def discard(self, peer: Peer) -> None:
        """Remove a peer whose connection has ended."""
        del self._peers[peer]
        self.schedule()
        peer.outlet = None
        self.backpressure.release(peer)
        if not self._peers:
            self.is_empty.set()

    def schedule(self) -> None:
        """Begin a turn, if none has begun; it ends when all ready input has been read."""
        if not self.is_scheduled:
            self.is_scheduled = True
            self.job_server.begin_turn()
            self._call_soon(self._callback)

    def run(self) -> None:
        """Run the core's deadlines, and send its output."""
        job_server = self.job_server
        if job_server.shares_out:
            self._flush_all(job_server.take_prompt())
        self.is_scheduled = False
        wait = job_server.tick()
        self._flush_all(job_server.take_dirty())
        if self._sent >= _SENT_BETWEEN:
            self._sent = 0
            job_server.memory.count_all_unsent()
        if job_server.memory.may_be_too_much:
            self._drop_holders()
        if wait is not None:
            self._run_within(wait)
        if self.is_stopping or job_server.has_news:
            self._after_turn()

    def flush(self) -> None:
        """End a turn at once."""
        if not self.is_scheduled:
            self.job_server.begin_turn()
        self.run()

    def _flush_all(self, peers: list[Recipient]) -> None:
        for peer in peers:
            outlet = peer.outlet
            if outlet is not None:
                self._flush(peer, outlet)

    def _flush(self, peer: Recipient, outlet: Outlet) -> None:
        outbox = peer.outbox
        try:
            size: i64 = outbox.size()
            if outbox.exceeds(self._max_unsent):
                self._drop(peer, outlet)
                return
            if size >= LARGE and not self._make_room(peer, size):
                outlet.drop(f"{size} bytes are to be sent to it, and all together exceed the memory limit")
                self.schedule()  # other peers may be affected by its end
                return
            outbox.flush(outlet)
            self._sent += size
            is_large = size >= LARGE
            if (is_large or outlet.is_slow) and isinstance(peer, Peer):
                self.job_server.memory.count_unsent(peer)
            if outlet.is_slow and isinstance(peer, Peer) and self._is_too_slow(peer, outlet):
                self._drop(peer, outlet)
            elif peer.closing and not outbox.is_held:
                outlet.close_gracefully()
                self.schedule()  # other peers may be affected by its end
        except Exception:  # an error with one peer must not affect the others
            log.exception("cannot send to %r", peer)
            outlet.drop("what it was to be sent cannot be sent")

    def _make_room(self, recipient: Recipient, size: i64) -> bool:
        """Drop other peers that hold more than a peer is to be sent; return False if that is not enough."""
        job_server = self.job_server
        if not recipient.outbox.exceeds(job_server.memory.room_for_replies()):
            return True
        found = job_server.memory.peer_to_drop_for(recipient, size)
        while found is not None:
            self._drop_holder(*found)
            found = job_server.memory.peer_to_drop_for(recipient, size)
        self._schedule_output()
        if not recipient.outbox.exceeds(job_server.memory.room_for_replies()):
            return True
        job_server.memory.note_drop(recipient)
        return False

    def _is_too_slow(self, peer: Peer, outlet: Outlet) -> bool:
        """Tell whether too many bytes wait for a peer; below that limit, slow down their senders."""
        unsent = outlet.unsent()
        self.backpressure.apply(peer, unsent)
        return unsent > self._max_unsent

    def _drop(self, peer: Recipient, outlet: Outlet) -> None:
        self.job_server.memory.note_drop(peer, self._max_unsent)
        outlet.drop(f"more than {self._max_unsent} bytes wait for it")
        self.schedule()  # other peers may be affected by its end

    def _drop_holders(self) -> None:
        """Drop the peers that make the server hold more than it may, and those whose packets take too long."""
        found = self.job_server.memory.peer_to_drop()
        while found is not None:
            self._drop_holder(*found)
            found = self.job_server.memory.peer_to_drop()
        self._schedule_output()

    def _schedule_output(self) -> None:
        """Begin a turn if clients are to be told that their jobs have ended, as a result was dropped."""
        if self.job_server.has_output:
            self.schedule()

    def _drop_holder(self, peer: Peer, reason: str) -> None:
        if peer.outlet is not None:
            peer.outlet.drop(reason)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _run_within(self, wait: float) -> None:
        """Set the timer to fire soon enough; firing early is harmless, and postponing it would cost each turn."""
        deadline = self.job_server.now + wait
        if self._timer is not None and wait > 0.0 and deadline >= self._deadline:
            return  # without asking the loop for its time, which costs as much as a packet
        due = self.loop.time() + wait
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._timer_callback)
        self._timer_due = due  # kept here, as uvloop's timers below half a millisecond do not have it
        self._deadline = deadline

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()
