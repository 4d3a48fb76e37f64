# SPDX-License-Identifier: MIT
"""ERROR replies to peers, counted and logged."""

from typing import Final

from geartrain.core.authorization import for_display
from geartrain.core.clock import TurnClock
from geartrain.core.errorlog import RateLimitedErrorLog
from geartrain.core.limits import Limit, Refused
from geartrain.core.state import Peer
from geartrain.errors import ProtocolError
from geartrain.protocol.commands import Command
from geartrain.protocol.packets import response
from geartrain.protocol.reader import LineTooLong
from geartrain.protocol.text import error_reply

__all__ = ["Replies"]

_ERROR: Final = int(Command.ERROR)
_PRICE: Final = 8  # units that an error costs beside its packet, see `Turns`


class Replies:
    """Sends, counts and logs error replies.

    Args:
        clock: The time.
        error_log: Logs the errors.

    Attributes:
        refused: Number of rejections by each limit.
    """

    __slots__ = ("_clock", "_error_log", "refused")

    def __init__(self, clock: TurnClock, error_log: RateLimitedErrorLog) -> None:
        self._clock = clock
        self._error_log = error_log
        self.refused: dict[Limit, int] = dict.fromkeys(Limit, 0)

    def error(self, peer: Peer, code: str, text: str) -> None:
        """Answer a packet with an error."""
        self._error(peer, code, text, text)

    def _error(self, peer: Peer, code: str, text: str, log_text: str) -> None:
        peer.debt += _PRICE
        self.log(peer, code, log_text)
        peer.send(_ERROR, b"%b\0%b" % (code.encode(), text.encode()))

    def refuse(self, peer: Peer, refusal: Refused) -> None:
        """Answer a submission or registration that a limit rejects."""
        self.refused[refusal.limit] += 1
        self._error(peer, refusal.code, str(refusal), refusal.log_text)

    def refuse_right(self, peer: Peer, action: str, function: bytes) -> None:
        """Answer a packet to which the peer has no right."""
        self.error(peer, "NOT_ALLOWED", f"This connection may not {action} {for_display(function)}")

    def end(self, peer: Peer, error: ProtocolError) -> None:
        """Send a peer an error, and close its connection when the error has been sent."""
        if isinstance(error, LineTooLong):
            self.log(peer, error.code, error.text)
            peer.send_bytes(error_reply(error.code, error.text))
        else:
            self.error(peer, error.code, error.text)
        peer.closing = True
        peer.mark_dirty()

    def hang_up(self, peer: Peer, code: str, text: str) -> None:
        """Log an error, and close the connection of a peer when its replies have been sent."""
        self.log(peer, code, text)
        peer.closing = True
        peer.mark_dirty()

    def log(self, peer: Peer, code: str, text: str) -> None:
        """Log an error that a peer has caused."""
        self._error_log.log(peer.host, code, text, str(peer), self._clock.now)

    def reject(self, host: str, refusal: Refused) -> bytes:
        """Count and log a rejected connection, and return the ERROR packet for it."""
        self.refused[refusal.limit] += 1
        self._error_log.log(host, refusal.code, str(refusal), host, self._clock.now)
        return response(_ERROR, refusal.code.encode(), str(refusal).encode())
