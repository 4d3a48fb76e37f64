# SPDX-License-Identifier: MIT
"""What the text commands answer (protocol 2)."""

import enum
import re

from geartrain.core.gate import Gate
from geartrain.core.limits import Limit, Refused
from geartrain.core.options import JobServerOptions
from geartrain.core.scheduler import Scheduler
from geartrain.core.state import FunctionQueue, Peer
from geartrain.protocol.text import (
    COMMANDS,
    OK,
    UNKNOWN_COMMAND,
    TextCommand,
    TextError,
    TextRequest,
    listing,
    ok,
    parse_line,
    printable,
)

__all__ = ["Admin", "Shutdown"]

_MAX_LIMIT = 2**31 - 1
# As many digits as it takes to be more than that: Python reads no number of thousands of them.
_NUMBER = re.compile(rb"0*(\d{0,11})")


class Shutdown(enum.Enum):
    """How the server was asked to stop."""

    NOW = "now"
    DRAIN = "drain"  # when the jobs that run have ended
    GRACEFUL = "graceful"  # when no job is left


class Admin:
    """Answers text commands from what the scheduler, the list of peers and the count of refusals say.

    Args:
        gate: Says who may use which.

    Attributes:
        shutdown_requested: Set once somebody who may has said ``shutdown``.
    """

    __slots__ = ("_answers", "_gate", "_options", "_peers", "_refused", "_scheduler", "shutdown_requested")

    def __init__(
        self,
        scheduler: Scheduler,
        peers: dict[Peer, None],
        refused: dict[Limit, int],
        gate: Gate,
        options: JobServerOptions,
    ) -> None:
        self._scheduler = scheduler
        self._gate = gate
        self._peers = peers
        self._refused = refused
        self._options = options
        self.shutdown_requested: Shutdown | None = None
        self._answers = {
            TextCommand.STATUS: self._status,
            TextCommand.PRIORITY_STATUS: self._priority_status,
            TextCommand.WORKERS: self._workers,
            TextCommand.SHOW_JOBS: self._show_jobs,
            TextCommand.SHOW_UNIQUE_JOBS: self._show_unique_jobs,
            TextCommand.SHOW_SCHEDULES: self._show_schedules,
            TextCommand.SHOW_STALLS: self._show_stalls,
            TextCommand.SHOW_LIMITS: self._show_limits,
            TextCommand.CANCEL_JOB: self._cancel_job,
            TextCommand.CREATE_FUNCTION: self._create_function,
            TextCommand.DROP_FUNCTION: self._drop_function,
            TextCommand.MAXQUEUE: self._maxqueue,
            TextCommand.VERSION: self._version,
            TextCommand.GETPID: self._getpid,
            TextCommand.VERBOSE: self._verbose,
            TextCommand.SHUTDOWN: self._shutdown,
        }

    def answer(self, peer: Peer, line: bytes) -> bytes:
        """Return the reply to a line.

        Raises:
            NotAllowed: The peer may not ask that.
        """
        try:
            if line[:8].lower() == b"shutdown":
                self._check_shutdown(peer, line)
            request = parse_line(line)
            if request.command is TextCommand.TOKEN:
                self._gate.take_token(peer, request.arguments[0])
                return OK
            self._check(peer, request)
            return self._answers[request.command](request)
        except TextError as error:
            return error.reply
        except Refused as refusal:
            self._refused[refusal.limit] += 1
            return TextError(f"{refusal.code} {str(refusal).replace(' ', '+')}").reply

    def change_options(self, options: JobServerOptions) -> None:
        """Answer for these options from now on."""
        self._options = options

    def _check(self, peer: Peer, request: TextRequest) -> None:
        """See whether a peer may ask that."""
        command = request.command
        if COMMANDS[command].changes:
            self._gate.check_change(peer, command.value)
            self._gate.check_function(peer, command.value, self._concerned(request))
        elif command is not TextCommand.VERSION:  # a sign of life, which everybody may ask for
            self._gate.check_read(peer, command.value)

    def _concerned(self, request: TextRequest) -> bytes | None:
        """Return the function that a command changes something of; None stands for the whole server."""
        if request.command is TextCommand.SHUTDOWN:
            return None
        if request.command is not TextCommand.CANCEL_JOB:
            return request.arguments[0]
        return self._function_of(request.arguments[0])

    def _function_of(self, handle: bytes) -> bytes:
        job = self._scheduler.jobs.get(handle)
        if job is not None:
            return job.queue.name
        schedule = self._scheduler.schedules.get(handle)
        if schedule is None:
            raise TextError("UNKNOWN_JOB")
        return schedule.function

    def _status(self, request: TextRequest) -> bytes:
        return listing(
            b"%b\t%d\t%d\t%d" % (printable(queue.name), queue.total, queue.running, len(queue.workers))
            for queue in self._scheduler.queues.values()
        )

    def _priority_status(self, request: TextRequest) -> bytes:
        return listing(
            b"%b\t%b\t%d"
            % (printable(queue.name), b"\t".join([b"%d" % count for count in queue.waiting]), len(queue.workers))
            for queue in self._scheduler.queues.values()
        )

    def _workers(self, request: TextRequest) -> bytes:
        return listing(self._worker_row(peer) for peer in self._peers)

    def _worker_row(self, peer: Peer) -> bytes:
        client_id = printable(peer.client_id, spaces=False) or b"-"
        names = b"".join([b" " + printable(name, spaces=False) for name in peer.functions()])
        return b"%d %b %b :%b" % (peer.fd, peer.host.encode(), client_id, names)

    def _show_jobs(self, request: TextRequest) -> bytes:
        return listing(
            b"%b\t%d\t%d\t%d" % (job.handle, job.retries, not job.is_wanted, job.is_durable)
            for job in self._scheduler.jobs
        )

    def _show_unique_jobs(self, request: TextRequest) -> bytes:
        return listing(printable(job.unique) for job in self._scheduler.jobs)

    def _show_schedules(self, request: TextRequest) -> bytes:
        return listing(
            b"%b\t%b\t%b\t%d\t%b"
            % (each.handle, printable(each.function), each.cron.encode(), each.due, printable(each.unique))
            for each in self._scheduler.schedules
        )

    def _show_stalls(self, request: TextRequest) -> bytes:
        return listing(
            b"%b\t%d\t%d\t%d\t%b"
            % (printable(queue.name), queue.runnable, len(queue.workers), seconds, reason.value.encode())
            for queue, seconds, reason in self._scheduler.stalled()
        )

    def _show_limits(self, request: TextRequest) -> bytes:
        return listing(b"%b\t%d" % (limit.value.encode(), count) for limit, count in self._refused.items())

    def _cancel_job(self, request: TextRequest) -> bytes:
        handle = request.arguments[0]
        job = self._scheduler.jobs.get(handle)
        if job is not None:
            self._scheduler.cancel(job)
            return OK
        schedule = self._scheduler.schedules.get(handle)
        assert schedule is not None, "it was found when its function was looked at"
        self._scheduler.cancel_schedule(schedule)
        return OK

    def _create_function(self, request: TextRequest) -> bytes:
        self._scheduler.queue(request.arguments[0])
        return OK

    def _drop_function(self, request: TextRequest) -> bytes:
        name = request.arguments[0]
        queue = self._scheduler.queues.get(name)
        if queue is None:
            raise TextError("function not found")
        # Jobs that only wait count too: whoever submitted them has been promised that they run.
        if queue.workers or queue.total:
            raise TextError("there are still connected workers or executing clients")
        del self._scheduler.queues[name]
        return OK

    def _maxqueue(self, request: TextRequest) -> bytes:
        name, *numbers = request.arguments
        queue = self._scheduler.queues.get(name)
        if queue is not None:
            self._limit(queue, [_limit(number) for number in numbers])
        return OK

    @staticmethod
    def _limit(queue: FunctionQueue, limits: list[int]) -> None:
        """Set the limits by priority; one number is meant for all of them, a missing one is none."""
        queue.limits = limits * 3 if len(limits) == 1 else [*limits, 0, 0, 0][:3]

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


def _limit(number: bytes) -> int:
    """Read a limit as it always was read: what does not begin with a digit is none."""
    found = _NUMBER.match(number)
    return min(int(found[1]), _MAX_LIMIT) if found and found[1] else 0
