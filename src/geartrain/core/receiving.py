# SPDX-License-Identifier: MIT
"""Handling what peers send, each peer within its share of a turn."""

from collections.abc import Mapping
from typing import Final

from mypy_extensions import i64

from geartrain.core.authorization import Authorizer
from geartrain.core.backlog import Backlog, Reason
from geartrain.core.commands.handler import Handler
from geartrain.core.commands.submit import SubmitCommands
from geartrain.core.commands.text import TextCommands
from geartrain.core.commands.work import WorkCommands
from geartrain.core.dispatch import Dispatcher
from geartrain.core.holdings import Holdings
from geartrain.core.modes import Draining, Mode, Open, Restoring, Restricted
from geartrain.core.oversized import Oversized
from geartrain.core.replies import Replies
from geartrain.core.sleepstate import SleepState
from geartrain.core.state import Peer
from geartrain.core.turns import FLOOR, LIGHT, READ_PER_UNIT, TURN, Turns
from geartrain.errors import RemoteProtocolError
from geartrain.protocol.commands import Command
from geartrain.protocol.reader import TOO_LARGE, Reader

__all__ = ["Receiver"]

_GRAB_JOB_UNIQ: Final = int(Command.GRAB_JOB_UNIQ)
_GRAB_JOB_ALL: Final = int(Command.GRAB_JOB_ALL)
_PRE_SLEEP: Final = int(Command.PRE_SLEEP)
_WORK_COMPLETE: Final = int(Command.WORK_COMPLETE)
_SUBMIT_JOB: Final = int(Command.SUBMIT_JOB)
_SUBMIT_JOB_BG: Final = int(Command.SUBMIT_JOB_BG)
_PUSHED: Final = int(SleepState.PUSHED)
_BYTES: Final = FLOOR << READ_PER_UNIT  # from which on they are charged; ordinary packets pay for their own
_MOST_BYTES: Final = TURN << READ_PER_UNIT  # that are charged at once


class Receiver:
    """Hands the packets and lines of peers to their commands.

    Args:
        turns: The budget of a turn.
        backlog: The peers whose input waits.
        holdings: Counts input that waits into the memory of the server.
        oversized: Ends the job of a result that is too large.
        dispatcher: Hears of peers to which a job was pushed.
        authorizer: Knows whether rules restrict submissions.
        replies: Ends a conversation that is not Gearman.
        submit: The commands that submit.
        work: The commands of workers.
        text: The commands in text.
        handlers: The handler of each command, except of those that submit.
    """

    __slots__ = (
        "_authorizer",
        "_backlog",
        "_dispatcher",
        "_handlers",
        "_holdings",
        "_mode",
        "_open",
        "_oversized",
        "_replies",
        "_text",
        "_turns",
        "_work",
    )

    def __init__(
        self,
        turns: Turns,
        backlog: Backlog,
        holdings: Holdings,
        oversized: Oversized,
        dispatcher: Dispatcher,
        authorizer: Authorizer,
        replies: Replies,
        submit: SubmitCommands,
        work: WorkCommands,
        text: TextCommands,
        handlers: Mapping[Command, Handler],
    ) -> None:
        self._turns = turns
        self._backlog = backlog
        self._holdings = holdings
        self._oversized = oversized
        self._dispatcher = dispatcher
        self._authorizer = authorizer
        self._replies = replies
        self._work = work
        self._text = text
        self._open = Open(submit)
        self._mode: Mode = self._open
        every = {**handlers, **dict.fromkeys(submit.handlers(), self._submit)}
        # By packet type; the last one is for `Command.WRONG_MAGIC`, -1.
        self._handlers: list[Handler] = [
            every[Command(number)] for number in (*range(len(Command) - 1), Command.WRONG_MAGIC)
        ]

    def choose_mode(self, *, is_draining: bool, is_restoring: bool) -> None:
        """Choose how submissions are handled from now on."""
        mode: Mode = self._open
        if self._authorizer.rules is not None:
            mode = Restricted(mode, self._authorizer, self._replies)
        if is_draining:
            mode = Draining(mode, self._backlog)
        elif is_restoring:
            mode = Restoring(self._backlog)
        self._mode = mode

    def ignore(self, *commands: Command) -> None:
        """Ignore these packets from now on."""
        for command in commands:
            self._handlers[command] = _ignore

    def receive(self, peer: Peer) -> None:
        """Handle the packets and lines in the reader of a peer; bytes that are not Gearman end the connection.

        A peer that has sent more than its share of a turn waits in the backlog.
        """
        backlog = self._backlog
        if peer.waits:
            backlog.pause(peer)
            self._holdings.count_input(peer)
            return
        if peer.sleep_state == _PUSHED:
            self._dispatcher.hear(peer)
        self._handle(peer)

    def _handle(self, peer: Peer) -> None:
        backlog = self._backlog
        reader = peer.reader
        left: i64 = peer.budget
        if reader.fed >= _BYTES:
            left -= reader.fed >> READ_PER_UNIT if reader.fed < _MOST_BYTES else TURN
            reader.fed = 0
        has_share = False
        try:
            while reader.advance():
                command = reader.command
                if command == _GRAB_JOB_UNIQ:
                    self._work.grab_unique(peer, reader)
                elif command == _WORK_COMPLETE:
                    self._work.complete(peer, reader)
                elif command == _SUBMIT_JOB or command == _SUBMIT_JOB_BG:  # noqa: SIM109  # no tuple
                    self._mode.submit(peer, reader)
                elif command == _PRE_SLEEP:
                    self._work.sleep(peer, reader)
                elif command == _GRAB_JOB_ALL:
                    self._work.grab_all(peer, reader)
                else:
                    self._handlers[command](peer, reader)
                    if not peer.is_watched:
                        self._holdings.watch(peer)  # as it may have registered a function
                left -= 1
                if peer.debt:
                    left -= peer.debt
                    peer.debt = 0
                if left < 0:
                    has_share = True
                    left = self._turns.grant(left)
                    if left < 0 and not peer.closing and not peer.waits:
                        backlog.add(peer, Reason.BUDGET)
                if peer.closing or peer.waits:
                    self._holdings.count_input(peer)
                    break
            if left < 0 and not has_share:  # because of the bytes of a packet that is not complete
                has_share = True
                left = self._turns.grant(left)
                if left < 0 and not peer.closing:
                    backlog.add(peer, Reason.BUDGET)
                    backlog.pause(peer)
        except RemoteProtocolError as error:
            if error.code == TOO_LARGE:
                self._oversized.reject_result(peer, error.text)
            self._replies.end(peer, error)
        turns = self._turns
        if has_share:
            peer.shared = turns.number
        elif turns.number >= peer.shared + LIGHT:
            turns.served += 1
        peer.budget = left if left < FLOOR else turns.give_back(left)
        if reader.partial != peer.partial:
            self._holdings.count_input(peer)

    def go_on(self, reason: Reason) -> None:
        """Handle the input of the peers that have waited for a reason, in turn."""
        backlog = self._backlog
        served: list[Peer] = []
        for peer in backlog.take(reason):
            held = peer.reader.held
            had_listing = peer.listing is not None
            if not peer.closing and self._text.has_listed(peer):
                self.receive(peer)
            self._holdings.count_input(peer)
            if peer.reader.held < held or had_listing:
                served.append(peer)
            backlog.resume(peer)
        for peer in served:
            backlog.move_last(peer)  # behind those for which there was no budget left

    def go_on_within_budget(self) -> None:
        """Handle the input of the peers that have used up their share, in turn, within the rest of the budget."""
        backlog = self._backlog
        turns = self._turns
        served: i64 = turns.served
        turns.begin_backlog(backlog.count(Reason.BUDGET))
        while turns.has_rest and backlog.has(Reason.BUDGET):
            peer = backlog.take_first(Reason.BUDGET)
            peer.budget = turns.share_out(peer.budget)
            peer.shared = turns.number
            if peer.closing:
                backlog.resume(peer)
            elif peer.budget < 0:
                backlog.add(peer, Reason.BUDGET)
            else:
                self._handle(peer)
                self._holdings.count_input(peer)
                backlog.resume(peer)
        turns.served = served  # those of the backlog had a share
        backlog.stop_reading()

    def hurry(self, peer: Peer) -> None:
        """Handle the input of a peer whose connection cannot stay open, within the budget of a whole turn."""
        if self._backlog.waits_for(peer, Reason.BUDGET):
            self._backlog.discard(peer)
            peer.budget = TURN
            self._handle(peer)

    def _submit(self, peer: Peer, reader: Reader) -> None:
        self._mode.submit(peer, reader)


def _ignore(peer: Peer, reader: Reader) -> None:
    """Ignore a packet that has no answer."""
