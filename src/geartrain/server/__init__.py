# SPDX-License-Identifier: MIT
"""The job server on real sockets: an asyncio shell around the decisions of `geartrain.core`."""

from geartrain.server.binding import BindError
from geartrain.server.config.access import access_rules
from geartrain.server.config.options import ServerOptions
from geartrain.server.endpoints import Endpoint
from geartrain.server.server import Server
from geartrain.server.tls import TLSError, Verify

__all__ = ["BindError", "Endpoint", "Server", "ServerOptions", "TLSError", "Verify", "access_rules"]
