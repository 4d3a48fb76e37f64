# SPDX-License-Identifier: MIT
"""Results and workloads that do not fit into the limits of the server.

The server drops a connection that makes it hold too much, and requeues the jobs of a worker that it has dropped. If it
did so for a large result, the next worker would send the same result, and be dropped as well, for ever. Therefore the
job ends:

- A result for which there is no memory is dropped while it arrives, and its worker stays connected. The waiting clients
  get an exception that names the limit. If no client waits, the job is complete, as no client needs the result.
- If the result is larger than a packet may be, its worker is disconnected, as for every such packet, and its job ends.
- If a worker is dropped because of what it is sent, its job with the largest workload ends at the third loss.
"""

import logging
from itertools import islice
from typing import Final

from mypy_extensions import i64

from geartrain.core.holdings import Holdings
from geartrain.core.jobtable import JobTable
from geartrain.core.lifecycle import Lifecycle
from geartrain.core.outcome import Outcome
from geartrain.core.running import count_running, find_running
from geartrain.core.state import Job, Peer
from geartrain.protocol.commands import Command
from geartrain.protocol.text import printable
from geartrain.wording import counted

__all__ = ["Oversized"]

log = logging.getLogger("geartrain.jobs")

_WORK_COMPLETE: Final = int(Command.WORK_COMPLETE)
_WORK_DATA: Final = int(Command.WORK_DATA)
_WORK_WARNING: Final = int(Command.WORK_WARNING)
_WORK_EXCEPTION: Final = int(Command.WORK_EXCEPTION)
_HAS_DATA: Final = frozenset((_WORK_COMPLETE, _WORK_DATA, _WORK_WARNING, _WORK_EXCEPTION))
_COMPLETED: Final = int(Outcome.COMPLETED)
_EXCEPTION: Final = int(Outcome.EXCEPTION)
_HEADER: Final = 12
_MOST_LOSSES: Final = 3  # of workers of a job, if the last one was dropped because of what it was sent
_MOST_COMPARED: Final = 100  # running jobs whose workloads are compared


class Oversized:
    """Ends jobs whose results or workloads do not fit into the limits of the server.

    Args:
        lifecycle: Ends the jobs.
        jobs: All jobs.
        holdings: Counts the input of their workers.
    """

    __slots__ = ("_holdings", "_jobs", "_lifecycle")

    def __init__(self, lifecycle: Lifecycle, jobs: JobTable, holdings: Holdings) -> None:
        self._lifecycle = lifecycle
        self._jobs = jobs
        self._holdings = holdings

    def drop_result(self, peer: Peer, max_memory: i64) -> bool:
        """Drop a result that is most of what is held for its worker, and end the job.

        Returns:
            True if something was dropped.
        """
        reader = peer.reader
        if reader.partial < peer.unsent:
            return False
        command, handle = reader.announced()
        if command not in _HAS_DATA:
            return False
        job = find_running(peer, handle)
        if job is None and handle not in peer.taken_away:
            return False
        size = int(reader.needed) - _HEADER
        reader.drop_incomplete()
        self._holdings.count_input(peer)
        if job is None:
            job = self._late_job(peer, command, handle)
        if job is not None and (job.is_awaited or command not in (_WORK_DATA, _WORK_WARNING)):
            self._end(peer, job, command, f"Too much memory for a result of {size} bytes (limit {max_memory} bytes)")
        return True

    def reject_result(self, peer: Peer, reason: str) -> None:
        """End the job of a result that is larger than a packet may be, if it is known."""
        command, handle = peer.reader.announced()
        if command not in _HAS_DATA:
            return
        job = find_running(peer, handle)
        if job is None and not handle and count_running(peer) == 1:
            job = peer.current
        if job is None:
            job = self._late_job(peer, command, handle)
        if job is not None:
            self._end(peer, job, command, reason)

    def drop_worker(self, peer: Peer, limit: i64) -> None:
        """End the job with the largest workload of a worker, if it has cost enough of them.

        The worker is dropped because of what it is sent; that loss is counted when the connection has ended.
        """
        job = peer.current
        if job is None:
            return
        if peer.running is not None:
            newest = islice(reversed(peer.running.values()), _MOST_COMPARED)
            job = max([job, *newest], key=_size)
        losses = int(job.losses) + 1
        if losses >= _MOST_LOSSES:
            text = f"Too much to send for a workload of {_size(job)} bytes (limit {limit} bytes)"
            self._end(peer, job, _WORK_DATA, f"{text}; {counted(losses, 'worker was', 'workers were')} lost")

    def _late_job(self, peer: Peer, command: int, handle: bytes) -> Job | None:
        """Return the job of a result that was taken from its worker, if it has not ended."""
        is_last = command in (_WORK_COMPLETE, _WORK_EXCEPTION)
        if not peer.taken_away.has(handle, is_last=is_last) or command != _WORK_COMPLETE:
            return None
        return self._jobs.get(handle)

    def _end(self, peer: Peer, job: Job, command: int, reason: str) -> None:
        log.warning("Ended %s: %s", printable(job.handle).decode(errors="replace"), reason)
        worker = job.worker
        if worker is not None and (worker is not peer or command != _WORK_COMPLETE):
            worker.taken_away.add(job.handle)  # it may send more about the job
        if command == _WORK_COMPLETE and not job.is_awaited:
            self._lifecycle.finish(job, _COMPLETED, b"")
        else:
            self._lifecycle.finish(job, _EXCEPTION, job.handle + b"\0" + reason.encode())


def _size(job: Job) -> int:
    return len(job.workload)
