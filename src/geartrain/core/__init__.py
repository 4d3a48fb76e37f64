# SPDX-License-Identifier: MIT
"""The decisions of a job server, without I/O and without a clock of its own."""

from geartrain.core.admin import Shutdown
from geartrain.core.clock import Clock
from geartrain.core.jobserver import JobServer
from geartrain.core.options import Durability, JobServerOptions, PriorityScope
from geartrain.core.state import Peer

__all__ = ["Clock", "Durability", "JobServer", "JobServerOptions", "Peer", "PriorityScope", "Shutdown"]
