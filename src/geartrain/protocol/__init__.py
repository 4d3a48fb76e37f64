# SPDX-License-Identifier: MIT
"""Gearman on the wire, without I/O: the packet types, both directions of coding, and the text grammar."""

from geartrain.protocol.commands import ARGUMENTS, EXCEPTIONS, LASTING_GRABS, Command
from geartrain.protocol.packets import REQUEST, RESPONSE, Packet, request, response
from geartrain.protocol.parser import Parser

__all__ = [
    "ARGUMENTS",
    "EXCEPTIONS",
    "REQUEST",
    "RESPONSE",
    "LASTING_GRABS",
    "Command",
    "Packet",
    "Parser",
    "request",
    "response",
]
