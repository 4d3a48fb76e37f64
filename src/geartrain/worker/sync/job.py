# SPDX-License-Identifier: MIT
"""The job that a blocking worker's function is called with. Its twin is `geartrain.worker.aio.job`."""

import time
from collections.abc import Callable
from typing import Any

from geartrain.names import Text
from geartrain.worker.functions import Function
from geartrain.worker.job import AnyAssignedJob, Report
from geartrain.worker.options import WorkerOptions
from geartrain.worker.session import Assignment

__all__ = ["AssignedJob"]


class AssignedJob(AnyAssignedJob):
    """A job that a server assigned to a worker; the worker's function is called with it.

    Attributes:
        is_lost: True once its process has died, so that it has no end and goes back to its server.
    """

    __slots__ = ("_report", "is_lost")

    _clock = staticmethod(time.monotonic)

    def __init__(
        self,
        assignment: Assignment,
        function: Function[Any],
        options: WorkerOptions,
        report: Callable[[Report], None],
    ) -> None:
        super().__init__(assignment, function, options)
        self._report = report
        self.is_lost = False

    def data(self, chunk: object) -> None:
        """Send a part of the result now, encoded by the codec; wait while the server is too slow."""
        self.send(self._data(chunk))

    def warning(self, text: Text) -> None:
        """Send a warning now."""
        self.send(self._warning(text))

    def progress(self, done: int, total: int) -> None:
        """Send the progress of the job now: `done` of `total`."""
        self.send(self._progress(done, total))

    def send(self, report: Report) -> None:
        """Send a packet about the job, unless the job has ended."""
        if not self.ending:
            self._report(report)
