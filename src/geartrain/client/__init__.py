# SPDX-License-Identifier: MIT
"""Having jobs done: a session without I/O, and the shells around it."""

from geartrain.client.job import SubmittedJob, as_completed
from geartrain.client.sync import Client

__all__ = ["Client", "SubmittedJob", "as_completed"]
