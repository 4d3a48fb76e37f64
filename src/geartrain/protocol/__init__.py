# SPDX-License-Identifier: MIT
"""Gearman on the wire, without I/O: the packet types, both directions of coding, and the text grammar."""

from geartrain.protocol.commands import ARGUMENTS, EXCEPTIONS, LONG_POLL, Command
from geartrain.protocol.packets import REQUEST, RESPONSE, Packet, request, response
from geartrain.protocol.reader import Reader

__all__ = [
    "ARGUMENTS",
    "EXCEPTIONS",
    "REQUEST",
    "RESPONSE",
    "LONG_POLL",
    "Command",
    "Packet",
    "Reader",
    "request",
    "response",
]
