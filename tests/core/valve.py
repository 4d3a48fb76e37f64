# SPDX-License-Identifier: MIT
"""A way to a peer without a connection."""

from geartrain.core.outbox import BACKLOG, Outlet

__all__ = ["Valve"]


class Valve(Outlet):
    """A way to a peer that records whether the server reads from it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True
        self.closings = 0
        self.waiting = 0

    def unsent(self) -> int:
        return self.waiting

    def pause_reading(self, reason: int) -> None:
        assert reason == BACKLOG
        self.is_open = False
        self.closings += 1

    def resume_reading(self, reason: int) -> None:
        assert reason == BACKLOG
        self.is_open = True
