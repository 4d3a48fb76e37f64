# SPDX-License-Identifier: MIT
"""Steps in the life of a job that several tests of the core take."""

from geartrain.protocol import Command
from geartrain.testing.wire import WirePeer

__all__ = ["grab"]


def grab(worker: WirePeer) -> bytes:
    """Let a worker grab a job, and return its handle."""
    worker.send(Command.GRAB_JOB)
    assigned = worker.packets()[-1]
    assert assigned[0] is Command.JOB_ASSIGN
    handle = assigned[1]
    assert isinstance(handle, bytes)
    return handle
