# SPDX-License-Identifier: MIT
"""A job as a coroutine function sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

from geartrain.codecs import RAW, Codec
from geartrain.names import Text
from geartrain.worker.job import JobInHand, Report
from geartrain.worker.session import Assignment

__all__ = ["AsyncAssignedJob"]


class AsyncAssignedJob(JobInHand):
    """What the function of an asyncio worker is called with. What sends something is awaited."""

    __slots__ = ("_report",)

    def __init__(
        self,
        assignment: Assignment,
        function: str,
        client_id: str,
        report: Callable[[Report], Awaitable[None]],
        codec: Codec[Any, Any] = RAW,
    ) -> None:
        super().__init__(assignment, function, client_id, codec)
        self._report = report

    async def data(self, chunk: object) -> None:
        """Send a part of the result at once, as the codec encodes it; wait if the server takes none at present."""
        await self.send(self._data(chunk))

    async def warning(self, text: Text) -> None:
        """Send a warning at once."""
        await self.send(self._warning(text))

    async def progress(self, done: int, total: int) -> None:
        """Say at once how far the job is; clients see `done` of `total`."""
        await self.send(self._progress(done, total))

    async def send(self, report: Report) -> None:
        """Send a packet about the job, unless it has ended."""
        if not self.ending:
            await self._report(report)
