# SPDX-License-Identifier: MIT
"""Listings of the server's state as plain values.

A listing is a method that yields tuples, in the order of the columns that `geartrain.protocol.text` declares for its
command. This module makes text replies from the tuples; other formats and metrics use the same tuples.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from geartrain.core.clock import TurnClock
from geartrain.core.cron import Schedules
from geartrain.core.functions import FunctionTable
from geartrain.core.jobtable import JobTable
from geartrain.core.limits import Limit
from geartrain.core.metrics import MetricSources
from geartrain.core.sleepstate import SleepState
from geartrain.core.stalls import Stalls
from geartrain.core.state import Peer
from geartrain.protocol.text import TextCommand, listing, printable

__all__ = ["Row", "Snapshot"]

Value: TypeAlias = bytes | str | int | float
Row: TypeAlias = tuple[Value, ...]

_HALF: Final = 0.5
_MOST: Final = 0.95


class Snapshot:
    """Reads the state of the server.

    Args:
        clock: The time.
        functions: All functions.
        jobs: All jobs.
        schedules: All schedules.
        stalls: The stalled queues.
        peers: All peers.
        metrics: Numbers that describe the whole server.
        refused: Number of rejections by each limit.
    """

    __slots__ = (
        "_clock",
        "_functions",
        "_jobs",
        "_listings",
        "_metrics",
        "_peers",
        "_refused",
        "_schedules",
        "_stalls",
    )

    def __init__(
        self,
        clock: TurnClock,
        functions: FunctionTable,
        jobs: JobTable,
        schedules: Schedules,
        stalls: Stalls,
        peers: dict[Peer, None],
        metrics: MetricSources,
        refused: dict[Limit, int],
    ) -> None:
        self._clock = clock
        self._functions = functions
        self._jobs = jobs
        self._schedules = schedules
        self._stalls = stalls
        self._peers = peers
        self._metrics = metrics
        self._refused = refused
        self._listings: dict[TextCommand, Callable[[], Iterator[Row]]] = {
            TextCommand.STATUS: self._status,
            TextCommand.PRIORITY_STATUS: self._priority_status,
            TextCommand.SHOW_JOBS: self._show_jobs,
            TextCommand.SHOW_UNIQUE_JOBS: self._unique_jobs,
            TextCommand.SHOW_SCHEDULES: self._show_schedules,
            TextCommand.SHOW_STALLS: self._show_stalls,
            TextCommand.SHOW_LIMITS: self._show_limits,
            TextCommand.SHOW_FUNCTIONS: self._show_functions,
            TextCommand.SHOW_METRICS: self._metrics.values,
            TextCommand.SHOW_CONNECTIONS: self._show_connections,
        }

    def rows(self, command: TextCommand) -> Iterator[Row]:
        """Yield the rows of a listing."""
        return self._listings[command]()

    def listing(self, command: TextCommand) -> bytes:
        """Return a listing as the reply to a text command."""
        if command is TextCommand.WORKERS:
            return listing([_worker_line(peer) for peer in self._peers])
        return listing([b"\t".join([_text(value) for value in row]) for row in self.rows(command)])

    def _status(self) -> Iterator[Row]:
        for queue in self._functions.queues():
            yield queue.name, int(queue.total), int(queue.running), len(queue.workers)

    def _priority_status(self) -> Iterator[Row]:
        for queue in self._functions.queues():
            high, normal, low = queue.lines
            yield queue.name, int(high.size), int(normal.size), int(low.size), len(queue.workers)

    def _show_jobs(self) -> Iterator[Row]:
        for job in self._jobs:
            yield job.handle, int(job.losses), int(not job.has_owner), int(job.is_durable)

    def _unique_jobs(self) -> Iterator[Row]:
        for job in self._jobs:
            yield (job.unique,)

    def _show_schedules(self) -> Iterator[Row]:
        for each in self._schedules:
            yield each.handle, each.function, each.cron, each.due, each.unique

    def _show_stalls(self) -> Iterator[Row]:
        for queue, seconds, reason in self._stalls.current(self._clock.now):
            yield queue.name, int(queue.waiting), len(queue.workers), int(seconds), reason.value

    def _show_limits(self) -> Iterator[Row]:
        for limit, count in self._refused.items():
            yield limit.value, count

    def _show_connections(self) -> Iterator[Row]:
        for peer in self._peers:
            yield (
                peer.fd,
                peer.host,
                peer.client_id,
                SleepState(peer.sleep_state).name.lower(),
                len(peer.abilities),
                len(peer.running_jobs()),
                len(peer.awaited),
                peer.reader.held,
                int(peer.outbox.size()) + peer.outbox.held_size(),
            )

    def _show_functions(self) -> Iterator[Row]:
        for queue in self._functions.queues():
            stats = queue.stats
            waited, ran = stats.waiting, stats.running
            waiting, running = int(queue.waiting), int(queue.running)
            yield (
                queue.name,
                waiting,
                int(queue.total) - waiting - running,
                running,
                len(queue.workers),
                *[count for _, count in stats.counters()],
                waited.quantile(_HALF) if waited is not None else 0.0,
                waited.quantile(_MOST) if waited is not None else 0.0,
                ran.quantile(_HALF) if ran is not None else 0.0,
                ran.quantile(_MOST) if ran is not None else 0.0,
            )


def _text(value: Value) -> bytes:
    if isinstance(value, bytes):
        return printable(value)
    if isinstance(value, str):
        return value.encode()
    return b"%d" % value if isinstance(value, int) else b"%g" % value


def _worker_line(peer: Peer) -> bytes:
    """Return a line of ``workers``, which has another form than all other listings."""
    client_id = printable(peer.client_id, spaces=False) or b"-"
    names = b"".join([b" " + printable(name, spaces=False) for name in peer.functions()])
    return b"%d %b %b :%b" % (peer.fd, peer.host.encode(), client_id, names)
