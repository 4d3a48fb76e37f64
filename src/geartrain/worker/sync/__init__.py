# SPDX-License-Identifier: MIT
"""The blocking worker: a loop that waits for sockets, and threads or processes that do jobs."""

from geartrain.worker.sync.job import AssignedJob
from geartrain.worker.sync.worker import Worker

__all__ = ["AssignedJob", "Worker"]
