# SPDX-License-Identifier: MIT
"""An asyncio worker's hold on one server: the connection, and the task that makes the next one."""

import asyncio
import logging
from collections.abc import Callable
from ssl import SSLContext

from geartrain.errors import NoServerAvailable
from geartrain.transport.aio import connect
from geartrain.worker.aio.connection import Connection
from geartrain.worker.contact import Contact
from geartrain.worker.options import WorkerOptions

__all__ = ["Link"]

_logger = logging.getLogger("geartrain.worker")


class Link:
    """One server, and how to reach it.

    Attributes:
        contact: What is known of the server.
        connection: The connection, if there is one.
    """

    def __init__(self, contact: Contact, options: WorkerOptions, tls: SSLContext | None) -> None:
        self.contact = contact
        self.connection: Connection | None = None
        self._options = options
        self._tls = tls
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Link {self.contact!r}>"

    def connect(self, new: Callable[["Link"], Connection], failed: Callable[["Link", str], None]) -> None:
        """Connect in a task of its own.

        Args:
            new: Makes a connection for this link, which will tell itself when it has been made.
            failed: Called with this link and the reason why there is none.
        """
        self.contact.connecting()
        name = f"geartrain connects to {self.contact.address}"
        self._task = asyncio.create_task(self._connect(new, failed), name=name)

    async def leave(self) -> None:
        """Connect no more, and end the connection that there is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self.connection is not None:
            await self.connection.leave()

    def close(self) -> None:
        """Leave without waiting for anything."""
        if self._task is not None:
            self._task.cancel()
        if self.connection is not None:
            self.connection.close()

    async def _connect(self, new: Callable[["Link"], Connection], failed: Callable[["Link", str], None]) -> None:
        options, address = self._options, self.contact.address
        try:
            await connect(
                lambda: new(self), address, tls=self._tls, timeout=options.connect_timeout, keepalive=options.keepalive
            )
        except NoServerAvailable as error:
            failed(self, str(error))
        except Exception as error:
            _logger.exception("%s: connecting failed in an unforeseen way", address)
            failed(self, str(error))  # or nobody would try again
