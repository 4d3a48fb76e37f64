# SPDX-License-Identifier: MIT
"""Packets about the connection itself (protocol 1.4, 1.16)."""

from typing import Final

from geartrain.core.authorization import Authorizer, NotAllowed
from geartrain.core.commands.handler import Handlers
from geartrain.core.replies import Replies
from geartrain.core.state import Peer
from geartrain.core.turns import BYTES_PER_UNIT
from geartrain.jobtimes import DELAYED_JOB, read_delayed_option
from geartrain.protocol.commands import EXCEPTIONS, LONG_POLL, Command
from geartrain.protocol.reader import Reader

__all__ = ["SessionCommands"]

_TOKEN: Final = b"token="  # the option that carries a token
_ECHO_RES: Final = int(Command.ECHO_RES)
_OPTION_RES: Final = int(Command.OPTION_RES)


class SessionCommands:
    """Packets that concern no job.

    Args:
        authorizer: Checks tokens.
        replies: Sends errors.
    """

    __slots__ = ("_authorizer", "_replies")

    def __init__(self, authorizer: Authorizer, replies: Replies) -> None:
        self._authorizer = authorizer
        self._replies = replies

    def handlers(self) -> Handlers:
        """Return a handler for every packet type; those of the other classes replace the error for them."""
        unexpected: Handlers = dict.fromkeys(Command, self._unexpected)
        return unexpected | {
            Command.ECHO_REQ: self._echo,
            Command.OPTION_REQ: self._set_option,
            Command.WRONG_MAGIC: self._wrong_magic,
        }

    def _echo(self, peer: Peer, reader: Reader) -> None:
        body = reader.body()
        peer.debt += len(body) >> BYTES_PER_UNIT
        peer.send(_ECHO_RES, body)

    def _set_option(self, peer: Peer, reader: Reader) -> None:
        option = reader.argument(0)
        if option.startswith(_TOKEN):
            self._take_token(peer, option)
            return
        name = option.removesuffix(b"\0").lower()
        if name == EXCEPTIONS:
            peer.exceptions = True
        elif name == LONG_POLL:
            peer.long_polling = True
        elif name.startswith(DELAYED_JOB) and (time := read_delayed_option(name)) is not None:
            peer.next_time = time
        else:
            self._replies.error(peer, "UNKNOWN_OPTION", "Server does not recognize given option")
            return
        peer.send(_OPTION_RES, option)

    def _take_token(self, peer: Peer, option: bytes) -> None:
        """Apply a token. The answer has the name of the option alone, as the token is a secret."""
        try:
            self._authorizer.take_token(peer, option.removeprefix(_TOKEN).removesuffix(b"\0"))
        except NotAllowed as error:
            self._replies.error(peer, error.code, str(error))
        else:
            peer.send(_OPTION_RES, b"token")

    def _unexpected(self, peer: Peer, reader: Reader) -> None:
        self._replies.error(peer, "INVALID_COMMAND", "Command not expected")

    def _wrong_magic(self, peer: Peer, reader: Reader) -> None:
        self._replies.error(peer, "INVALID_MAGIC", "Request magic expected")
