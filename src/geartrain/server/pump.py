# SPDX-License-Identifier: MIT
"""What happens once per turn of the event loop, for all connections together.

Packets are handed to the core as they come. When all that the loop had ready has been read, the pump lets the core do
what is due, and sends what it wants sent: everything for one peer leaves in one write, as tools that read once expect
(protocol 10), and as it costs least.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from geartrain.core import JobServer, Peer
from geartrain.core.limits import Limit
from geartrain.server.pressure import Pressure

__all__ = ["Outlet", "Pump"]

log = logging.getLogger("geartrain.server")


class Outlet(Protocol):
    """The way to a peer."""

    peer: Peer
    transport: asyncio.Transport
    is_slow: bool  # more waits for the peer than the transport likes

    def hang_up(self) -> None:
        """Close when what was written has left."""

    def resume(self) -> None:
        """Read again, if it had to wait."""

    def hold(self) -> None:
        """Do not read for a while."""

    def let_go(self) -> None:
        """Read again after that."""

    def drop(self, reason: str) -> None:
        """Close at once."""


class Pump:
    """Moves what the core wants moved.

    Args:
        job_server: The core.
        max_unsent: The most bytes that may wait for a peer that does not read.
        after_turn: Called when everything has been sent.

    Attributes:
        is_scheduled: Whether it will run at the end of this turn.
        pressure: What slows down those whose results nobody reads.
        is_empty: Set while there are no connections.
    """

    def __init__(self, job_server: JobServer, max_unsent: int, after_turn: Callable[[], None]) -> None:
        self.job_server = job_server
        self.loop = asyncio.get_running_loop()
        self.is_scheduled = False
        self._max_unsent = max_unsent
        self._after_turn = after_turn
        self._outlets: dict[Peer, Outlet] = {}
        self.pressure = Pressure(self.loop, self._outlets.get)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self.is_empty = asyncio.Event()
        self.is_empty.set()

    def change_limit(self, max_unsent: int) -> None:
        """Let so many bytes wait for a peer from now on."""
        self._max_unsent = max_unsent

    @property
    def outlets(self) -> list[Outlet]:
        """The ways to all peers, also to those that only wait for the end of their connection."""
        return list(self._outlets.values())

    def add(self, outlet: Outlet) -> None:
        """Care for a connection."""
        self._outlets[outlet.peer] = outlet
        self.is_empty.clear()

    def discard(self, outlet: Outlet) -> None:
        """Forget a connection that has ended."""
        del self._outlets[outlet.peer]
        self.pressure.fall(outlet.peer)
        if not self._outlets:
            self.is_empty.set()
        self.schedule()

    def schedule(self) -> None:
        """Run when all that is ready has been read."""
        if not self.is_scheduled:
            self.is_scheduled = True
            self.loop.call_soon(self.run)

    def run(self) -> None:
        """Let the core do what is due, and send what it has to say."""
        self.is_scheduled = False
        job_server = self.job_server
        wait = job_server.tick()
        outlets = self._outlets
        if job_server.resumed:
            self._resume()
        for peer in job_server.take_dirty():
            outlet = outlets.get(peer)
            if outlet is None:
                continue
            try:
                outgoing = peer.take_outgoing(self._max_unsent)
                if outgoing is None:
                    self._drop(outlet)
                    continue
                if outgoing:
                    outlet.transport.write(outgoing)
                if outlet.is_slow and self._is_too_slow(outlet):
                    self._drop(outlet)
                elif peer.closing and not peer.is_held:
                    outlet.hang_up()
                    self.schedule()  # others may hear of what it leaves behind
            except Exception:  # whatever is wrong with one peer, the others are served
                log.exception("cannot send to %r", peer)
                outlet.drop("what it was to be sent cannot be sent")
        if wait is not None:
            self._run_within(wait)
        self._after_turn()

    def _is_too_slow(self, outlet: Outlet) -> bool:
        """Tell whether more waits for a peer than may; before that, slow down who causes it."""
        unsent = outlet.transport.get_write_buffer_size()
        self.pressure.rise(outlet.peer, unsent)
        return unsent > self._max_unsent

    def _resume(self) -> None:
        """Read again from those who had to wait."""
        for peer in self.job_server.resumed:
            if (outlet := self._outlets.get(peer)) is not None:
                outlet.resume()
        self.job_server.resumed.clear()

    def _drop(self, outlet: Outlet) -> None:
        self.job_server.refused[Limit.UNSENT] += 1
        outlet.drop(f"more than {self._max_unsent} bytes wait for it")
        self.schedule()  # others may hear of what it leaves behind

    def stop(self) -> None:
        """Let nothing run any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _run_within(self, wait: float) -> None:
        """Have the timer go off soon enough. Too soon does no harm, and moving it back would cost each turn."""
        due = self.loop.time() + wait
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._on_timer)
        self._timer_due = due  # which the timers of uvloop for less than half a millisecond do not tell

    def _on_timer(self) -> None:
        self._timer = None
        self.run()
