# SPDX-License-Identifier: MIT
"""The decisions of a job server, without I/O and without a clock of its own."""

import types

from geartrain.core.clock import Clock
from geartrain.core.commit_queue import CommitOutcome, CommitQueue
from geartrain.core.jobserver import JobServer
from geartrain.core.options import Durability, JobServerOptions, PriorityScope, Who
from geartrain.core.shutdown import Shutdown
from geartrain.core.state import Peer

__all__ = [
    "IS_COMPILED",
    "Clock",
    "CommitOutcome",
    "CommitQueue",
    "Durability",
    "JobServer",
    "JobServerOptions",
    "Peer",
    "PriorityScope",
    "Shutdown",
    "Who",
]

# True if the build has compiled this package and `geartrain.protocol`, which it does together.
IS_COMPILED = not isinstance(JobServer.tick, types.FunctionType)
