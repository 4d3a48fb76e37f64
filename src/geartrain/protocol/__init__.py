# SPDX-License-Identifier: MIT
"""The Gearman protocol without I/O: packet types, reader and writers, and text commands."""

from geartrain.protocol.commands import ARGUMENTS, EXCEPTION_DETAILS, EXCEPTIONS, LONG_POLL, Command
from geartrain.protocol.packets import REQUEST, RESPONSE, Packet, request, response
from geartrain.protocol.reader import Reader

__all__ = [
    "ARGUMENTS",
    "EXCEPTIONS",
    "EXCEPTION_DETAILS",
    "REQUEST",
    "RESPONSE",
    "LONG_POLL",
    "Command",
    "Packet",
    "Reader",
    "request",
    "response",
]
