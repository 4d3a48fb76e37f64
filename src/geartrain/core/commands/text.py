# SPDX-License-Identifier: MIT
"""Text commands (protocol 2)."""

import logging
import re
from typing import Final

from geartrain.core.authorization import Authorizer, NotAllowed
from geartrain.core.backlog import Backlog, Reason
from geartrain.core.commands.handler import Handlers
from geartrain.core.functions import FunctionTable
from geartrain.core.jobtable import JobTable
from geartrain.core.levels import NOTICE
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import Refused
from geartrain.core.listings import MOST_LISTED, ListingBudget
from geartrain.core.options import JobServerOptions
from geartrain.core.replies import Replies
from geartrain.core.schedulerunner import ScheduleRunner
from geartrain.core.shutdown import Shutdown
from geartrain.core.snapshot import Snapshot
from geartrain.core.state import FunctionQueue, Peer
from geartrain.protocol.commands import Command
from geartrain.protocol.reader import Reader
from geartrain.protocol.text import (
    COMMANDS,
    OK,
    UNKNOWN_COMMAND,
    TextCommand,
    TextError,
    TextRequest,
    error_reply,
    is_http,
    ok,
    parse_line,
    printable,
)

__all__ = ["TextCommands"]

log = logging.getLogger("geartrain.server")

_NO_HTTP: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_EMPTY: Final = b""
_MOST_LINES: Final = 8192  # short lines of a listing that are made at once
_MAX_LIMIT: Final = 2**31 - 1
# As many digits as a number beyond that needs: Python refuses numbers with thousands of digits.
_NUMBER: Final = re.compile(rb"0*(\d{0,11})")


class TextCommands:
    """Handlers of text commands.

    Args:
        options: Options that some commands show.
        functions: All functions.
        jobs: All jobs.
        schedules: All schedules.
        lifecycle: Cancels jobs.
        snapshot: The listings.
        authorizer: Checks the rights of a peer.
        backlog: The peers that wait because they asked for too much in one turn.
        replies: Counts and logs errors.

    Attributes:
        budget: The limit of listings in one turn.
        shutdown_requested: The mode of the last ``shutdown``, or None.
    """

    __slots__ = (
        "_answers",
        "_authorizer",
        "_backlog",
        "_functions",
        "_jobs",
        "_lifecycle",
        "_options",
        "_replies",
        "_schedules",
        "_snapshot",
        "budget",
        "shutdown_requested",
    )

    def __init__(
        self,
        options: JobServerOptions,
        functions: FunctionTable,
        jobs: JobTable,
        schedules: ScheduleRunner,
        lifecycle: Lifecycle,
        snapshot: Snapshot,
        authorizer: Authorizer,
        backlog: Backlog,
        replies: Replies,
    ) -> None:
        self._options = options
        self._functions = functions
        self._jobs = jobs
        self._schedules = schedules
        self._lifecycle = lifecycle
        self._snapshot = snapshot
        self._authorizer = authorizer
        self._backlog = backlog
        self._replies = replies
        self.budget = ListingBudget()
        self.shutdown_requested: Shutdown | None = None
        self._answers = {
            TextCommand.CANCEL_JOB: self._cancel_job,
            TextCommand.CREATE_FUNCTION: self._create_function,
            TextCommand.DROP_FUNCTION: self._drop_function,
            TextCommand.MAXQUEUE: self._maxqueue,
            TextCommand.VERSION: self._version,
            TextCommand.GETPID: self._getpid,
            TextCommand.VERBOSE: self._verbose,
            TextCommand.SHUTDOWN: self._shutdown,
        }

    def handlers(self) -> Handlers:
        """Return the handler of text lines."""
        return {Command.TEXT: self._handle}

    def change_options(self, options: JobServerOptions) -> None:
        """Use other options from now on."""
        self._options = options

    def _handle(self, peer: Peer, reader: Reader) -> None:
        budget = self.budget
        if not budget.has_budget(peer):
            reader.keep()
            self._backlog.add(peer, Reason.LISTING)
            return
        line = reader.argument(0)
        if is_http(line):
            # A web page can make a browser send a request here, whose body would be obeyed line by line.
            peer.send_bytes(_NO_HTTP)
            self._replies.hang_up(peer, "NOT_GEARMAN", "The connection sends HTTP")
            return
        try:
            reply = self.answer(peer, line)
        except NotAllowed as error:
            self._replies.log(peer, error.code, str(error))
            reply = error_reply(error.code, str(error))
        if peer.listing is not None:
            self.has_listed(peer)
            return
        budget.spend(len(reply))
        peer.send_bytes(reply)

    def has_listed(self, peer: Peer) -> bool:
        """Send a portion of the listing of a peer; return True if nothing of it is left."""
        lines = peer.listing
        if lines is None:
            return True
        if peer.outlet is not None and peer.outlet.is_slow:
            self._backlog.add(peer, Reason.UNREAD)
            return False
        if not self.budget.has_budget(peer):
            self._backlog.add(peer, Reason.LISTING)
            return False
        portion: list[bytes] = []
        size = 0
        for line in lines:
            portion.append(line)
            size += len(line)
            if size >= MOST_LISTED or len(portion) >= _MOST_LINES:
                self._backlog.add(peer, Reason.LISTING)
                break
        else:
            peer.listing = None
        self.budget.spend(size)
        peer.send_bytes(b"".join(portion))
        return peer.listing is None

    def answer(self, peer: Peer, line: bytes) -> bytes:
        """Return the reply to a line; a listing is left to `has_listed`, and the reply is empty.

        Raises:
            NotAllowed: The peer has no right to the command.
        """
        try:
            if line[:8].lower() == b"shutdown":
                self._check_shutdown(peer, line)
            request = parse_line(line)
            command = request.command
            if command is TextCommand.TOKEN:
                self._authorizer.take_token(peer, request.arguments[0])
                return OK
            self._check(peer, request)
            answer = self._answers.get(command)
            if answer is not None:
                reply = answer(request)
                if command is TextCommand.SHUTDOWN:
                    _log_shutdown(peer, line)
                return reply
            peer.listing = self._snapshot.lines(command)
            return _EMPTY
        except TextError as error:
            return error.reply
        except Refused as refusal:
            self._replies.refused[refusal.limit] += 1
            return error_reply(refusal.code, str(refusal))

    def _check(self, peer: Peer, request: TextRequest) -> None:
        """Check the right of a peer to a command."""
        command = request.command
        if COMMANDS[command].changes:
            self._authorizer.check_change(peer, command.value)
            self._authorizer.check_function(peer, command.value, self._concerned(request))
        elif command is not TextCommand.VERSION:  # a health check, allowed to all peers
            self._authorizer.check_read(peer, command.value)

    def _concerned(self, request: TextRequest) -> bytes | None:
        """Return the function that a command changes; None stands for the whole server."""
        if request.command is TextCommand.SHUTDOWN:
            return None
        if request.command is not TextCommand.CANCEL_JOB:
            return request.arguments[0]
        return self._function_of(request.arguments[0])

    def _function_of(self, handle: bytes) -> bytes:
        job = self._jobs.get(handle)
        if job is not None:
            return job.queue.name
        schedule = self._schedules.schedules.get(handle)
        if schedule is None:
            raise TextError("UNKNOWN_JOB")
        return schedule.function

    def _cancel_job(self, request: TextRequest) -> bytes:
        handle = request.arguments[0]
        job = self._jobs.get(handle)
        if job is not None:
            self._lifecycle.cancel(job)
            return OK
        schedule = self._schedules.schedules.get(handle)
        assert schedule is not None, "it was found when its function was looked at"
        self._schedules.cancel(schedule)
        return OK

    def _create_function(self, request: TextRequest) -> bytes:
        self._functions.named(request.arguments[0])
        return OK

    def _drop_function(self, request: TextRequest) -> bytes:
        name = request.arguments[0]
        queue = self._functions.get(name)
        if queue is None:
            raise TextError("function not found")
        # Waiting jobs count too: the server has promised their clients to run them.
        if queue.workers or queue.total:
            raise TextError("there are still connected workers or executing clients")
        self._functions.remove(queue)
        return OK

    def _maxqueue(self, request: TextRequest) -> bytes:
        name, *numbers = request.arguments
        queue = self._functions.get(name)
        if queue is not None:
            self._limit(queue, [_limit(number) for number in numbers])
        return OK

    @staticmethod
    def _limit(queue: FunctionQueue, limits: list[int]) -> None:
        """Set the limits by priority; one number is for all priorities, and a missing one means no limit."""
        limits = limits * 3 if len(limits) == 1 else [*limits, 0, 0, 0][:3]
        queue.limits = limits if any(limits) else None

    def _version(self, request: TextRequest) -> bytes:
        return ok(self._options.version.encode())

    def _getpid(self, request: TextRequest) -> bytes:
        return ok(b"%d" % self._options.pid)

    def _verbose(self, request: TextRequest) -> bytes:
        return ok(self._options.verbosity.encode())

    def _check_shutdown(self, peer: Peer, line: bytes) -> None:
        if not self._options.allow_shutdown:
            raise TextError(UNKNOWN_COMMAND, line.split(b" ", 1)[0])
        if not peer.is_local:
            raise TextError("NOT_ALLOWED shutdown+is+for+local+connections")

    def _shutdown(self, request: TextRequest) -> bytes:
        if not request.arguments:
            self.shutdown_requested = Shutdown.NOW
        elif request.arguments[0].lower() == b"graceful":
            self.shutdown_requested = self.shutdown_requested or Shutdown.GRACEFUL
        else:
            raise TextError(COMMANDS[TextCommand.SHUTDOWN].surplus)
        return OK


def _log_shutdown(peer: Peer, line: bytes) -> None:
    """Log who has ended the server, and how."""
    command = printable(line).decode(errors="replace")
    fields = {"event": "shutdown", "by": str(peer), "command": command}
    log.log(NOTICE, "Shutdown requested by %s: %s", peer, command, extra={"fields": fields})


def _limit(number: bytes) -> int:
    """Read a limit as the C server does: a word that does not begin with a digit is no limit."""
    found = _NUMBER.match(number)
    return min(int(found[1]), _MAX_LIMIT) if found and found[1] else 0
