# SPDX-License-Identifier: MIT
"""Doing jobs: what a worker can do, the conversation with a server without I/O, and the blocking shell around it."""

from geartrain.worker.job import AssignedJob
from geartrain.worker.options import Reason
from geartrain.worker.sync import Worker

__all__ = ["AssignedJob", "Reason", "Worker"]
