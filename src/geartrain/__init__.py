# SPDX-License-Identifier: MIT
"""Geartrain: Gearman for the next decade."""

from geartrain._version import __version__
from geartrain.admin import AdminClient
from geartrain.worker import AssignedJob, Worker

__all__ = ["AdminClient", "AssignedJob", "Worker", "__version__"]
