# SPDX-License-Identifier: MIT
"""Packets that ask for the status of a job (protocol 1.14)."""

from typing import Final

from geartrain.core.access import ADMIN, SUBMIT, WORK
from geartrain.core.authorization import Authorizer
from geartrain.core.commands.handler import Handlers
from geartrain.core.cron import Schedules
from geartrain.core.jobtable import JobTable
from geartrain.core.state import Job, Peer
from geartrain.core.waiters import count_waiters
from geartrain.protocol.commands import Command
from geartrain.protocol.reader import Reader

__all__ = ["StatusCommands"]

_ANY_RIGHT: Final = SUBMIT | WORK | ADMIN
_SCHEDULE: Final = (b"1", b"0", b"0", b"0")  # the status of a schedule, which never runs itself
_PER_UNIT: Final = 5  # as a power of two: waiting clients that are counted for one unit of cost
_STATUS_RES: Final = int(Command.STATUS_RES)
_STATUS_RES_UNIQUE: Final = int(Command.STATUS_RES_UNIQUE)


class StatusCommands:
    """Handlers of packets that ask for the status of a job.

    Args:
        jobs: All jobs.
        schedules: All schedules.
        authorizer: Checks the right to see a job.
    """

    __slots__ = ("_authorizer", "_jobs", "_schedules")

    def __init__(self, jobs: JobTable, schedules: Schedules, authorizer: Authorizer) -> None:
        self._jobs = jobs
        self._schedules = schedules
        self._authorizer = authorizer

    def handlers(self) -> Handlers:
        """Return the handler of each packet."""
        return {Command.GET_STATUS: self._get_status, Command.GET_STATUS_UNIQUE: self._get_status_unique}

    def _get_status(self, peer: Peer, reader: Reader) -> None:
        handle = reader.argument(0).removesuffix(b"\0")
        job = self._visible(peer, self._jobs.get(handle))
        schedule = self._schedules.get(handle) if job is None else None
        is_schedule = schedule is not None and self._authorizer.may(peer, _ANY_RIGHT, schedule.function)
        peer.send(_STATUS_RES, b"\0".join([handle, *(_SCHEDULE if is_schedule else _status(job))]))

    def _get_status_unique(self, peer: Peer, reader: Reader) -> None:
        unique = reader.argument(0).removesuffix(b"\0")
        job = self._visible(peer, self._jobs.find_unique(unique))
        waiting = count_waiters(job) if job is not None else 0
        if job is not None and job.waiters is not None:
            peer.debt += len(job.waiters) >> _PER_UNIT
        peer.send(_STATUS_RES_UNIQUE, b"\0".join([unique, *_status(job), b"%d" % waiting]))

    def _visible(self, peer: Peer, job: Job | None) -> Job | None:
        """Return a job if the peer has any right to its function, or None."""
        return job if job is not None and self._authorizer.may(peer, _ANY_RIGHT, job.queue.name) else None


def _status(job: Job | None) -> tuple[bytes, bytes, bytes, bytes]:
    """Return known, running, numerator and denominator."""
    if job is None:
        return b"0", b"0", b"0", b"0"
    return b"1", b"1" if job.worker is not None else b"0", *job.progress
