# SPDX-License-Identifier: MIT
"""The numbers and words of the protocol, under the names of python-gearman.

Names like ``GEARMAN_COMMAND_SUBMIT_JOB`` are derived from `geartrain.protocol.Command`, and names like
``GEARMAN_SERVER_COMMAND_STATUS`` from `geartrain.protocol.text.TextCommand`.
"""

from geartrain.protocol import Command
from geartrain.protocol.packets import HEADER
from geartrain.protocol.text import TextCommand

__all__ = [
    "COMMAND_HEADER_SIZE",
    "GEARMAN_COMMAND_TO_NAME",
    "MAGIC_REQ_STRING",
    "MAGIC_RES_STRING",
    "NULL_CHAR",
    "get_command_name",
]

NULL_CHAR = b"\0"
MAGIC_REQ_STRING = b"\0REQ"
MAGIC_RES_STRING = b"\0RES"
COMMAND_HEADER_SIZE = HEADER.size

GEARMAN_COMMAND_TO_NAME = {int(command): f"GEARMAN_COMMAND_{command.name}" for command in Command if command > 0}

_NUMBERS = {name: number for number, name in GEARMAN_COMMAND_TO_NAME.items()}
_WORDS = {f"GEARMAN_SERVER_COMMAND_{command.name}": command.value for command in TextCommand}


def get_command_name(cmd_type: int) -> str | int:
    """Return the name of a packet type, or the number itself if there is none."""
    return GEARMAN_COMMAND_TO_NAME.get(cmd_type, cmd_type)


def __getattr__(name: str) -> int | str:
    found = _NUMBERS.get(name, _WORDS.get(name))
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found


def __dir__() -> list[str]:
    return [*__all__, *_NUMBERS, *_WORDS]
