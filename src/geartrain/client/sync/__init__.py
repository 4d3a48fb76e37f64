# SPDX-License-Identifier: MIT
"""The shell for threads: calls block, and a thread of ours reads. Its twin is `geartrain.client.aio`."""

from geartrain.client.sync.client import Client
from geartrain.client.sync.function import RemoteFunction
from geartrain.client.sync.job import SubmittedJob, as_completed

__all__ = ["Client", "RemoteFunction", "SubmittedJob", "as_completed"]
