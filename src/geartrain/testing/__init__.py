# SPDX-License-Identifier: MIT
"""What tests of programs that use Gearman need, ours included."""

from geartrain.testing.server import RunningServer, ServerProcess, run_server

__all__ = ["RunningServer", "ServerProcess", "run_server"]
