# SPDX-License-Identifier: MIT
"""Modes of accepting submissions: open, restricted by rules, restoring and draining."""

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
    """The base of all modes."""

    __slots__ = ()

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Handle a packet that submits."""
        raise AssertionError("subclasses override this")


class Open(Mode):
    """Accepts all submissions.

    Args:
        commands: Handles the submissions.
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
    """Accepts submissions of peers with the right to the function.

    Args:
        following: Handles the allowed submissions.
        authorizer: Checks the rights.
        replies: Rejects the others.
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
            # The worker submits the parts, and may have more rights than the client.
            reducer = reader.argument(2)
            if not self._authorizer.may(peer, SUBMIT, reducer):
                self._replies.refuse_right(peer, "submit jobs of", reducer)
                return
        self._following.submit(peer, reader)


class Restoring(Mode):
    """Delays all submissions, as each may coalesce with a job that is still to be restored.

    Args:
        backlog: The peers that wait.
    """

    __slots__ = ("_backlog",)

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def submit(self, peer: Peer, reader: Reader) -> None:
        """Keep a packet that submits until all jobs are restored."""
        reader.keep()
        self._backlog.add(peer, Reason.RESTORING)


class Draining(Mode):
    """Accepts submissions only from peers that run a job, which may need them to finish it.

    Other clients get no answer: the end of the connection tells them that nothing was accepted and that they should use
    another server.

    Args:
        following: Handles the allowed submissions.
        backlog: The peers that wait for the end of a job, and whose submissions are not handled.
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
