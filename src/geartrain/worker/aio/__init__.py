# SPDX-License-Identifier: MIT
"""The asyncio worker: each job is a task of the event loop that the sockets belong to."""

from geartrain.worker.aio.job import AsyncAssignedJob
from geartrain.worker.aio.worker import AsyncWorker

__all__ = ["AsyncAssignedJob", "AsyncWorker"]
