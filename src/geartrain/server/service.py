# SPDX-License-Identifier: MIT
"""Services: the parts of a server that are started in order, and stopped in reverse."""

from typing import Protocol

__all__ = ["Service"]


class Service(Protocol):
    """A part with a life of its own, which may use the services that are started before it."""

    async def start(self) -> None:
        """Begin; an error ends the start of the server."""

    def drain(self, deadline: float) -> None:
        """Complete what runs, and begin nothing that would last beyond the deadline.

        Args:
            deadline: A time of the event loop; infinity if the server waits for running jobs without a limit. A second
                call has an earlier one.
        """

    async def stop(self) -> None:
        """End, within the time limits of the shutdown. The service may not have been started."""
