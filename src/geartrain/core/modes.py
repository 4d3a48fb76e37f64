# SPDX-License-Identifier: MIT
"""Ways in which a server takes submissions: openly, by rules, not yet, or no longer."""

from typing import Final

from geartrain.core.access import SUBMIT
from geartrain.core.authorization import Authorizer
from geartrain.core.backlog import Backlog, Reason
from geartrain.core.commands.submit import SubmitCommands
from geartrain.core.replies import Replies
from geartrain.core.state import Peer
from geartrain.protocol.commands import Command
from geartrain.protocol.reader import Reader
from geartrain.records import Priority

__all__ = ["Draining", "Mode", "Open", "Restoring", "Restricted"]

_SUBMIT_JOB: Final = int(Command.SUBMIT_JOB)
_SUBMIT_JOB_BG: Final = int(Command.SUBMIT_JOB_BG)
_NORMAL: Final = int(Priority.NORMAL)
_EMPTY: Final = b""
_REDUCE: Final = frozenset((int(Command.SUBMIT_REDUCE_JOB), int(Command.SUBMIT_REDUCE_JOB_BACKGROUND)))


class Mode:
    """A way to take submissions."""

    __slots__ = ()

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Handle a packet that submits."""
        raise AssertionError("each mode has its own")


class Open(Mode):
    """All submissions are taken.

    Args:
        commands: Handles them.
    """

    __slots__ = ("_commands", "_handlers")

    def __init__(self, commands: SubmitCommands) -> None:
        self._commands = commands
        self._handlers = {int(command): handler for command, handler in commands.handlers().items()}

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Handle a packet that submits."""
        command = reader.command
        if command == _SUBMIT_JOB:
            self._commands.accept(peer, reader.first(), reader.second(), reader.third(), _NORMAL, False, _EMPTY, 0)
        elif command == _SUBMIT_JOB_BG:
            self._commands.accept(peer, reader.first(), reader.second(), reader.third(), _NORMAL, True, _EMPTY, 0)
        else:
            self._handlers[command](peer, reader)


class Restricted(Mode):
    """Submissions are taken from peers with the right to the function.

    Args:
        following: Takes those that are allowed.
        authorizer: Knows the rights.
        replies: Answers the others.
    """

    __slots__ = ("_authorizer", "_following", "_replies")

    def __init__(self, following: Mode, authorizer: Authorizer, replies: Replies) -> None:
        self._following = following
        self._authorizer = authorizer
        self._replies = replies

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Handle a packet that submits."""
        function = reader.argument(0)
        if not self._authorizer.may(peer, SUBMIT, function):
            self._replies.refuse_right(peer, "submit jobs of", function)
            return
        if reader.command in _REDUCE:
            # The parts are submitted by the worker, which may have more rights than the client.
            reducer = reader.argument(2)
            if not self._authorizer.may(peer, SUBMIT, reducer):
                self._replies.refuse_right(peer, "submit jobs of", reducer)
                return
        self._following.submit(peer, reader)


class Restoring(Mode):
    """Submissions wait: each may be of a job of an earlier run that is still to be restored.

    Args:
        backlog: Where their peers wait.
    """

    __slots__ = ("_backlog",)

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Let a packet that submits wait."""
        reader.keep()
        self._backlog.add(peer, Reason.RESTORING)


class Draining(Mode):
    """Submissions are taken only from peers that run a job, and may need them to end it.

    A client that submits now is not answered: the end of its connection tells it to use another server, and that
    nothing was accepted.

    Args:
        following: Takes those that are allowed.
        backlog: Where peers wait that wait for a job.
    """

    __slots__ = ("_backlog", "_following")

    def __init__(self, following: Mode, backlog: Backlog) -> None:
        self._following = following
        self._backlog = backlog

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Handle a packet that submits."""
        if peer.is_busy:
            self._following.submit(peer, reader)
        elif peer.awaited:
            reader.keep()
            self._backlog.add(peer, Reason.DRAINING)
        else:
            peer.closing = True
            peer.mark_dirty()
