# SPDX-License-Identifier: MIT
"""What tests of programs that use Gearman need, ours included."""

from geartrain.testing.clock import FakeClock
from geartrain.testing.passage import Toward
from geartrain.testing.proxy import FaultProxy
from geartrain.testing.server import RunningServer, ServerProcess, run_server
from geartrain.testing.wire import Wire, WirePeer

__all__ = ["FakeClock", "FaultProxy", "RunningServer", "ServerProcess", "Toward", "Wire", "WirePeer", "run_server"]
