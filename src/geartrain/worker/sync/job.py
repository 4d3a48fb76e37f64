# SPDX-License-Identifier: MIT
"""A job as a blocking function sees it."""

from collections.abc import Callable
from typing import Any

from geartrain.codecs import RAW, Codec
from geartrain.names import Text
from geartrain.worker.job import JobInHand, Report
from geartrain.worker.session import Assignment

__all__ = ["AssignedJob"]


class AssignedJob(JobInHand):
    """What a worker's function is called with."""

    __slots__ = ("_report",)

    def __init__(
        self,
        assignment: Assignment,
        function: str,
        client_id: str,
        report: Callable[[Report], None],
        codec: Codec[Any, Any] = RAW,
    ) -> None:
        super().__init__(assignment, function, client_id, codec)
        self._report = report

    def data(self, chunk: object) -> None:
        """Send a part of the result at once, as the codec encodes it; wait if the server takes none at present."""
        self.send(self._data(chunk))

    def warning(self, text: Text) -> None:
        """Send a warning at once."""
        self.send(self._warning(text))

    def progress(self, done: int, total: int) -> None:
        """Say at once how far the job is; clients see `done` of `total`."""
        self.send(self._progress(done, total))

    def send(self, report: Report) -> None:
        """Send a packet about the job, unless it has ended."""
        if not self.ending:
            self._report(report)
