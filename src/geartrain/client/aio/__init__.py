# SPDX-License-Identifier: MIT
"""The shell for an event loop: calls are awaited, and the loop reads. Its twin is `geartrain.client.sync`."""

from geartrain.client.aio.client import AsyncClient
from geartrain.client.aio.function import AsyncRemoteFunction
from geartrain.client.aio.job import AsyncSubmittedJob, as_completed

__all__ = ["AsyncClient", "AsyncRemoteFunction", "AsyncSubmittedJob", "as_completed"]
