# SPDX-License-Identifier: MIT
"""What tests of programs that use Gearman need, ours included."""

from geartrain.testing.clock import FakeClock
from geartrain.testing.server import RunningServer, ServerProcess, run_server
from geartrain.testing.wire import Wire, WirePeer

__all__ = ["FakeClock", "RunningServer", "ServerProcess", "Wire", "WirePeer", "run_server"]
