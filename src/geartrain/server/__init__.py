# SPDX-License-Identifier: MIT
"""The job server on real sockets: an asyncio shell around the decisions of `geartrain.core`."""

# ruff: noqa: E402  # without the check, the error of an import would name a module, and not the reason
from geartrain.platforms import require_server

require_server()

from geartrain.server.config.access import access_rules
from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.listen.sockets import BindError
from geartrain.server.listen.tls import TLSError, Verify
from geartrain.server.local import LocalPeer
from geartrain.server.options import ServerOptions
from geartrain.server.server import Server

__all__ = ["BindError", "Endpoint", "LocalPeer", "Server", "ServerOptions", "TLSError", "Verify", "access_rules"]
