# SPDX-License-Identifier: MIT
"""The job that an asyncio worker's function is called with. Its twin is `geartrain.worker.sync.job`."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from geartrain.names import Text
from geartrain.worker.functions import Function
from geartrain.worker.job import AnyAssignedJob, Report
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import Assignment

__all__ = ["AsyncAssignedJob"]


class AsyncAssignedJob(AnyAssignedJob):
    """A job that a server assigned to an asyncio worker; the methods that send are awaited."""

    __slots__ = ("_report",)

    _clock = staticmethod(time.monotonic)

    def __init__(
        self,
        assignment: Assignment,
        function: Function[Any],
        options: WorkerOptions,
        report: Callable[[Report], Awaitable[None]],
    ) -> None:
        super().__init__(assignment, function, options)
        self._report = report

    async def data(self, chunk: object) -> None:
        """Send a part of the result now, encoded by the codec; wait while the server is too slow."""
        await self.send(self._data(chunk))

    async def warning(self, text: Text) -> None:
        """Send a warning now."""
        await self.send(self._warning(text))

    async def progress(self, done: int, total: int) -> None:
        """Send the progress of the job now: `done` of `total`."""
        await self.send(self._progress(done, total))

    async def send(self, report: Report) -> None:
        """Send a packet about the job, unless the job has ended."""
        if not self.ending:
            await self._report(report)
