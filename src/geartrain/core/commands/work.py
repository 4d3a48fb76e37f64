# SPDX-License-Identifier: MIT
"""Packets of workers: registrations, grabs, sleep and results (protocol 1.9 to 1.13)."""

import logging
import re
from typing import Final

from geartrain.core.access import WORK
from geartrain.core.authorization import Authorizer
from geartrain.core.commands.handler import Handlers, leading_number
from geartrain.core.dispatch import Dispatcher
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.limits import Refused
from geartrain.core.outcome import Outcome
from geartrain.core.replies import Replies
from geartrain.core.running import find_running
from geartrain.core.state import Peer
from geartrain.errors import RemoteProtocolError
from geartrain.protocol.commands import Command
from geartrain.protocol.limits import INT64_MAX, MAX_CLIENT_ID
from geartrain.protocol.reader import Reader

__all__ = ["WorkCommands"]

log = logging.getLogger("geartrain.jobs")

_LEAST_TIMEOUT_MS: Final = 1000  # shorter times are raised to this (protocol 1.13)
_POLICY: Final = -1.0  # stands for the timeout in the function's policy

_JOB_ASSIGN: Final = int(Command.JOB_ASSIGN)
_JOB_ASSIGN_UNIQ: Final = int(Command.JOB_ASSIGN_UNIQ)
_JOB_ASSIGN_ALL: Final = int(Command.JOB_ASSIGN_ALL)
_WORK_COMPLETE: Final = int(Command.WORK_COMPLETE)
_COMPLETED: Final = int(Outcome.COMPLETED)
_FAILED: Final = int(Outcome.FAILED)
_EXCEPTION: Final = int(Outcome.EXCEPTION)
_EMPTY: Final = b""

# The error for a packet about a job that its sender does not run.
_RESULT: Final = "Job given in work result not found"
_NOT_RUNNING: Final[dict[int, str]] = {
    int(Command.WORK_STATUS): _RESULT,
    int(Command.WORK_COMPLETE): _RESULT,
    int(Command.WORK_FAIL): _RESULT,
    int(Command.WORK_DATA): "Job does not exist on server",
    int(Command.WORK_WARNING): "Job does not exist on server",
    int(Command.WORK_EXCEPTION): "An exception was received for a job that does not exist",
}
_LAST_WORDS: Final = frozenset((int(Command.WORK_COMPLETE), int(Command.WORK_FAIL), int(Command.WORK_EXCEPTION)))
_LEADING_DIGITS: Final = re.compile(rb"\d{1,20}")


class WorkCommands:
    """Handlers of packets of workers.

    Args:
        lifecycle: Ends jobs, and forwards packets to their clients.
        dispatcher: Assigns jobs.
        authorizer: Checks the rights of a worker.
        replies: Sends errors.
    """

    __slots__ = ("_authorizer", "_dispatcher", "_lifecycle", "_replies")

    def __init__(self, lifecycle: Lifecycle, dispatcher: Dispatcher, authorizer: Authorizer, replies: Replies) -> None:
        self._lifecycle = lifecycle
        self._dispatcher = dispatcher
        self._authorizer = authorizer
        self._replies = replies

    def handlers(self) -> Handlers:
        """Return the handler of each packet."""
        return {
            Command.CAN_DO: self.can_do,
            Command.CAN_DO_TIMEOUT: self.can_do_timeout,
            Command.CANT_DO: self._cant_do,
            Command.RESET_ABILITIES: self._reset_abilities,
            Command.SET_CLIENT_ID: self._set_client_id,
            Command.GRAB_JOB: self._grab,
            Command.GRAB_JOB_UNIQ: self.grab_unique,
            Command.GRAB_JOB_ALL: self.grab_all,
            Command.PRE_SLEEP: self.sleep,
            Command.ALL_YOURS: self._all_yours,
            Command.WORK_DATA: self._forward,
            Command.WORK_WARNING: self._forward,
            Command.WORK_STATUS: self._report_progress,
            Command.WORK_COMPLETE: self.complete,
            Command.WORK_FAIL: self._fail,
            Command.WORK_EXCEPTION: self._except,
        }

    # Registrations.

    def can_do(self, peer: Peer, reader: Reader) -> None:
        """Register a worker for a function."""
        self._enable(peer, reader.argument(0), _POLICY)

    def can_do_timeout(self, peer: Peer, reader: Reader) -> None:
        """Register a worker for a function with a timeout of its own."""
        timeout_ms = leading_number(reader.argument(1))
        if timeout_ms > INT64_MAX:
            self._replies.end(peer, RemoteProtocolError("CAN_DO_TIMEOUT: the time is beyond 64 bits"))
            return
        timeout = max(timeout_ms, _LEAST_TIMEOUT_MS) / 1000 if timeout_ms > 0 else 0.0
        self._enable(peer, reader.argument(0), timeout)

    def _enable(self, peer: Peer, function: bytes, timeout: float) -> None:
        if not self._authorizer.may(peer, WORK, function):
            self._authorizer.deny(peer, function, timeout)
            self._replies.refuse_right(peer, "work on", function)
            return
        try:
            self._dispatcher.enable(peer, function, timeout)
        except Refused as refusal:
            self._replies.refuse(peer, refusal)

    def _cant_do(self, peer: Peer, reader: Reader) -> None:
        function = reader.argument(0)
        self._dispatcher.disable(peer, function)
        peer.identity.denied.pop(function, None)

    def _reset_abilities(self, peer: Peer, reader: Reader) -> None:
        self._dispatcher.disable_all(peer)
        peer.identity.denied.clear()

    def _set_client_id(self, peer: Peer, reader: Reader) -> None:
        peer.client_id = reader.argument(0)[:MAX_CLIENT_ID]

    # Grabs and sleep.

    def _grab(self, peer: Peer, reader: Reader) -> None:
        job = self._dispatcher.grab(peer)
        if job is None:
            peer.send_no_job()
        else:
            self._dispatcher.send_assignment(peer, job, _JOB_ASSIGN)

    def grab_unique(self, peer: Peer, reader: Reader) -> None:
        """Assign a job by JOB_ASSIGN_UNIQ, or answer NO_JOB."""
        job = self._dispatcher.grab(peer)
        if job is None:
            peer.send_no_job()
        else:
            self._dispatcher.send_assignment(peer, job, _JOB_ASSIGN_UNIQ)

    def grab_all(self, peer: Peer, reader: Reader) -> None:
        """Assign a job by JOB_ASSIGN_ALL, or hold the grab of a worker that asked for long polling."""
        job = self._dispatcher.grab(peer)
        if job is not None:
            self._dispatcher.send_assignment(peer, job, _JOB_ASSIGN_ALL)
        elif not self._dispatcher.poll(peer):
            peer.send_no_job()

    def sleep(self, peer: Peer, reader: Reader) -> None:
        """Put a worker to sleep."""
        self._dispatcher.sleep(peer)

    def _all_yours(self, peer: Peer, reader: Reader) -> None:
        """Accept a packet that only shows that the worker is alive, which the server has recorded already."""
        if not peer.long_polling:
            self._replies.error(peer, "INVALID_COMMAND", "Command not expected")

    # Results and progress.

    def complete(self, peer: Peer, reader: Reader) -> None:
        """End a job with its result."""
        handle = reader.first()
        job = find_running(peer, handle)
        if job is None:
            self._not_running(peer, reader, handle)
        else:
            self._lifecycle.finish(job, _COMPLETED, reader.body() if job.is_awaited else _EMPTY)

    def _fail(self, peer: Peer, reader: Reader) -> None:
        handle = reader.argument(0).removesuffix(b"\0")  # some workers append a NUL; clients must not see it (7.3)
        job = find_running(peer, handle)
        if job is None:
            self._not_running(peer, reader, handle)
        else:
            self._lifecycle.finish(job, _FAILED, _EMPTY)

    def _except(self, peer: Peer, reader: Reader) -> None:
        handle = reader.argument(0)
        job = find_running(peer, handle)
        if job is None:
            self._not_running(peer, reader, handle)
            return
        peer.taken_away.add(handle)  # many workers send a WORK_FAIL after it (7.3)
        self._lifecycle.finish(job, _EXCEPTION, reader.body())

    def _forward(self, peer: Peer, reader: Reader) -> None:
        handle = reader.argument(0)
        job = find_running(peer, handle)
        if job is None:
            self._not_running(peer, reader, handle)
        elif job.is_awaited:
            self._lifecycle.forward(job, reader.command, reader.body())

    def _report_progress(self, peer: Peer, reader: Reader) -> None:
        handle = reader.argument(0)
        job = find_running(peer, handle)
        if job is None:
            self._not_running(peer, reader, handle)
            return
        job.add_details().progress = (_digits(reader.argument(1)), _digits(reader.argument(2)))
        if job.is_awaited:
            self._lifecycle.forward(job, reader.command, reader.body())

    def _not_running(self, peer: Peer, reader: Reader, handle: bytes) -> None:
        """Answer a packet about a job that its sender does not run.

        If the job was taken from the sender, its result still counts, and other packets are ignored (7.3).
        """
        command = int(reader.command)
        if peer.taken_away.has(handle, is_last=command in _LAST_WORDS):
            if command == _WORK_COMPLETE:
                self._lifecycle.finish_late(handle, reader.body())
                return
            log.debug("ignored a late %s for %s", Command(command).name, handle.decode(errors="replace"))
            if command in _LAST_WORDS:
                self._dispatcher.may_have_again(handle)
        else:
            self._replies.error(peer, "JOB_NOT_FOUND", _NOT_RUNNING[command])


def _digits(text: bytes) -> bytes:
    """Return the number at the start of a part of a progress report, for clients that ask for the status."""
    if text.isdigit():
        return text
    found = _LEADING_DIGITS.match(text)
    return found[0] if found else b"0"
